using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Resolve;
using Ipcs.Blockstore;
using Ipcs.ContentApi;
using Ipcs.Dag;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.Node.Fleet;

/// <summary>
/// The door through which unmodified images come: finds which connected peer has the whole of a digest, and fetches it.
/// Owns the fetches under way and the short memory of answers; both are bounded.
/// </summary>
internal sealed partial class Fleet : IContentFleet, IAsyncDisposable
{
    /// <summary>The most digests asked for ahead in one go: more is no image.</summary>
    private const int MaxLookAhead = 1024;

    /// <summary>Leaves asked for ahead of the hash of a fetch: 8 MiB in flight at 256 KiB each.</summary>
    private const int FetchAhead = 32;

    private readonly IStore _store;
    private readonly ContentUpdates _updates;
    private readonly BitswapService _bitswap;
    private readonly ResolveService _resolve;
    private readonly TimeSpan _budget;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly FleetIndex _index;
    private readonly FleetQuestions _questions;
    private readonly ConcurrentDictionary<Digest, Lazy<Task>> _fetches = new();
    private readonly CancellationTokenSource _stopping = new();

    public Fleet(IHost host, IStore store, ContentUpdates updates, BitswapService bitswap, TimeSpan budget, TimeProvider time, ILogger logger)
    {
        _store = store;
        _updates = updates;
        _bitswap = bitswap;
        _budget = budget;
        _time = time;
        _logger = logger;
        _index = new FleetIndex(store);
        _resolve = new ResolveService(host, _index, store.Blocks);
        _questions = new FleetQuestions(host, store.Blocks, bitswap, _resolve, time, logger, _stopping.Token);
    }

    /// <inheritdoc/>
    public async ValueTask<ContentRecord?> FindAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (_index.Resolve(digest) is { Complete: true } here)
        {
            return here with { Owned = false };
        }

        Task<ContentRecord?> decided = _questions.Ask(digest).Decided;
        if (!decided.IsCompleted)
        {
            // Told by its outcome and not by an exception, which costs more than the answer; what comes later is kept for the next who asks.
            await Task.WhenAny(decided, Task.Delay(_budget, _time, cancellationToken));
            cancellationToken.ThrowIfCancellationRequested();
        }

        if (!decided.IsCompleted)
        {
            LogTooLate(digest, _budget.TotalMilliseconds);
            return null;
        }

        return await decided;
    }

    /// <summary>Where in the fleet a digest is: the connected peers that have it, each with its record.</summary>
    public Task<IReadOnlyList<(PeerId Peer, ContentRecord Record)>> LocateAsync(Digest digest, CancellationToken cancellationToken) =>
        _questions.LocateAsync(digest, cancellationToken);

    /// <summary>True once a connected peer is known to have the whole of a content.</summary>
    public bool Knows(Digest digest) => _questions.WholeHolders(digest).Length > 0;

    /// <inheritdoc/>
    public void StartFetch(ContentRecord content) => _ = FetchOf(content.Digest);

    /// <inheritdoc/>
    public async Task WaitAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (_store.Contents.Get(digest) is { Complete: true })
        {
            return;
        }

        await FetchOf(digest).WaitAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public IBlockSource SourceFor(ContentRecord content) => content.Complete
        ? new LocalBlockSource(_store.Blocks)
        : new BitswapSource(_bitswap.CreateSession(_questions.Holders(content.Digest)));

    /// <summary>Blocks from here first, and from any connected peer else. The caller disposes it.</summary>
    public BitswapSource AnySource() => new(_bitswap.CreateSession([]));

    /// <inheritdoc/>
    public void LookAhead(IReadOnlyList<Digest> digests) =>
        _questions.Ask([.. digests.Distinct().Take(MaxLookAhead).Where(d => _store.Contents.Get(d) is not { Complete: true })]);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        foreach (Lazy<Task> fetch in _fetches.Values)
        {
            await fetch.Value.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await _resolve.DisposeAsync();
        _stopping.Dispose();
    }

    /// <summary>The fetch under way for a digest, or a new one; a failed one is forgotten, so that the next who waits tries again.</summary>
    private Task FetchOf(Digest digest) => _fetches.GetOrAdd(digest, d => new Lazy<Task>(() => Task.Run(() => RunFetchAsync(d)))).Value;

    private async Task RunFetchAsync(Digest digest)
    {
        try
        {
            await FetchAsync(digest, _stopping.Token);
        }
        catch (Exception e) when (e is not ContentUnavailableException)
        {
            throw new ContentUnavailableException($"{digest} could not be fetched: {e.Message}", e);
        }
        finally
        {
            _fetches.TryRemove(digest, out _);
        }
    }

    private async Task FetchAsync(Digest digest, CancellationToken cancellationToken)
    {
        ContentRecord record = _store.Contents.Get(digest) ?? throw new ContentUnavailableException($"{digest} is not in the index");
        if (record.Complete)
        {
            return;
        }

        long started = _time.GetTimestamp();
        PeerId[] sources = _questions.Holders(digest);
        if (sources.Length == 0)
        {
            // After a restart, or when those who had it are gone: look for the root's owners, not for a missing block's.
            await _questions.Ask(digest).Decided.WaitAsync(cancellationToken);
            sources = _questions.Holders(digest);
        }

        ReadOnlyMemory<byte> text;
        await using var source = new BitswapSource(_bitswap.CreateSession(sources));
        try
        {
            text = await FetchAndCheckAsync(record, source, cancellationToken);
        }
        catch (Exception e) when (e is BlockNotFoundException or DagFormatException)
        {
            throw new ContentUnavailableException($"{digest} could not be fetched from {Describe(sources)}: {e.Message}", e);
        }

        // containerd may have taken, labelled, dropped or written it meanwhile: only what is there now, of this DAG, is marked.
        _updates.Change(digest, current => current is { Complete: false } && current.Root == record.Root ? current with { Complete = true } : current);

        // A manifest that comes from the fleet passes no COMMIT: what it names is asked for here.
        LookAhead(ManifestScan.Descriptors(text));
        LogFetched(digest, record.Size, sources.Length, _time.GetElapsedTime(started).TotalMilliseconds);
    }

    /// <summary>
    /// Reads the whole content through the session; for a blob, hashes it on the way and compares. Returns the bytes when they may be a manifest.
    /// </summary>
    private static async Task<ReadOnlyMemory<byte>> FetchAndCheckAsync(ContentRecord record, BitswapSource source, CancellationToken cancellationToken)
    {
        await using DagReader reader = await DagReader.OpenAsync(record.Root, source, FetchAhead, cancellationToken);
        if (reader.Length != record.Size)
        {
            throw new DagFormatException($"the DAG of {record.Digest} has {reader.Length} bytes, not {record.Size}");
        }

        using IncrementalHash? hash = record.Kind == ContentKind.Blob ? IncrementalHash.CreateHash(HashName(record.Digest)) : null;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(1 << 18);
        byte[] text = [];
        try
        {
            long offset = 0;
            for (int n; (n = await reader.ReadAsync(offset, buffer, cancellationToken)) > 0; offset += n)
            {
                hash?.AppendData(buffer.AsSpan(0, n));
                if (offset == 0 && buffer[0] == '{' && record.Size <= ManifestScan.MaxLength)
                {
                    text = new byte[record.Size];
                }

                if (text.Length > 0)
                {
                    buffer.AsSpan(0, n).CopyTo(text.AsSpan((int)offset));
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        Multihash expected = record.Digest.Hash;
        if (hash is not null && !hash.GetHashAndReset().AsSpan().SequenceEqual(expected.Digest))
        {
            throw new DagFormatException($"the bytes under {record.Root} do not hash to {record.Digest}");
        }

        return text;
    }

    private static HashAlgorithmName HashName(Digest digest) => digest.Hash.Code switch
    {
        Multihash.Sha2_512 => HashAlgorithmName.SHA512,
        Multihash.Sha2_384 => HashAlgorithmName.SHA384,
        _ => HashAlgorithmName.SHA256,
    };

    private static string Describe(PeerId[] sources) => sources.Length == 0 ? "any connected peer" : string.Join(", ", sources);

    [LoggerMessage(Level = LogLevel.Information, Message = "nobody has said within {Budget} ms whether they have {Digest}")]
    private partial void LogTooLate(Digest digest, double budget);

    [LoggerMessage(Level = LogLevel.Information, Message = "fetched {Digest}: {Bytes} bytes from {Peers} peers in {Milliseconds:F0} ms")]
    private partial void LogFetched(Digest digest, long bytes, int peers, double milliseconds);
}
