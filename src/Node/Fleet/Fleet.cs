using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Client;
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
    /// <summary>How long "nobody has it" is remembered: containerd repeats its Info within a pull, a new owner appears seldom.</summary>
    private static readonly TimeSpan NegativeTime = TimeSpan.FromSeconds(1);

    /// <summary>How long one question to the fleet may take in all; Info itself waits only for its budget.</summary>
    private static readonly TimeSpan QuestionTime = TimeSpan.FromSeconds(5);

    /// <summary>Answers remembered at once: a pull of a large index asks for some hundreds.</summary>
    private const int MaxAnswers = 4096;

    /// <summary>The most digests asked for ahead in one go: more is no image.</summary>
    private const int MaxLookAhead = 1024;

    /// <summary>Leaves asked for ahead of the hash of a fetch: 8 MiB in flight at 256 KiB each.</summary>
    private const int FetchAhead = 32;

    private readonly IHost _host;
    private readonly IStore _store;
    private readonly BitswapService _bitswap;
    private readonly ResolveService _resolve;
    private readonly TimeSpan _budget;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly FleetIndex _index;
    private readonly ConcurrentDictionary<Digest, Answer> _answers = new();
    private readonly ConcurrentDictionary<Digest, Lazy<Task>> _fetches = new();
    private readonly CancellationTokenSource _stopping = new();

    public Fleet(IHost host, IStore store, BitswapService bitswap, TimeSpan budget, TimeProvider time, ILogger logger)
    {
        _host = host;
        _store = store;
        _bitswap = bitswap;
        _budget = budget;
        _time = time;
        _logger = logger;
        _index = new FleetIndex(store);
        _resolve = new ResolveService(host, _index);
    }

    /// <inheritdoc/>
    public async ValueTask<ContentRecord?> FindAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (_index.Resolve(digest) is { Complete: true } here)
        {
            return here with { Owned = false };
        }

        try
        {
            return await Ask(digest).Task.WaitAsync(_budget, _time, cancellationToken);
        }
        catch (TimeoutException)
        {
            return null;
        }
    }

    /// <summary>Where in the fleet a digest is: the connected peers that have it, each with its record. Waits for all answers, at most the question's time.</summary>
    public async Task<IReadOnlyList<(PeerId Peer, ContentRecord Record)>> LocateAsync(Digest digest, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
        limit.CancelAfter(QuestionTime);
        PeerId[] peers = ResolvingPeers();
        ContentRecord?[] records = await Task.WhenAll(peers.Select(p => AskPeerAsync(p, digest, limit.Token)));
        cancellationToken.ThrowIfCancellationRequested();
        return [.. peers.Zip(records).Where(x => x.Second is not null).Select(x => (x.First, x.Second!))];
    }

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
        : new BitswapSource(_bitswap.CreateSession(KnownSources(content.Digest)));

    /// <summary>Blocks from here first, and from any connected peer else. The caller disposes it.</summary>
    public BitswapSource AnySource() => new(_bitswap.CreateSession([]));

    /// <inheritdoc/>
    public void LookAhead(IReadOnlyList<Digest> digests)
    {
        foreach (Digest digest in digests.Take(MaxLookAhead))
        {
            if (_index.Resolve(digest) is null)
            {
                _ = Ask(digest);
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        foreach (Lazy<Task> fetch in _fetches.Values)
        {
            await fetch.Value.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        _stopping.Dispose();
    }

    private PeerId[] ResolvingPeers() =>
        [.. _host.Peers.Where(p => p.Protocols.Contains(ResolveService.Protocol)).Select(p => p.Peer).Distinct()];

    /// <summary>The question under way or just answered for a digest, else a new one.</summary>
    private Answer Ask(Digest digest)
    {
        DateTimeOffset now = _time.GetUtcNow();
        if (_answers.TryGetValue(digest, out Answer? known) && IsFresh(known, now))
        {
            return known;
        }

        if (_answers.Count >= MaxAnswers)
        {
            Forget(now);
        }

        var fresh = new Answer(now, a => AskAllAsync(digest, a));
        Answer current = known is null
            ? _answers.GetOrAdd(digest, fresh)
            : _answers.TryUpdate(digest, fresh, known) ? fresh : _answers.GetOrAdd(digest, fresh);
        _ = current.Task;
        return current;
    }

    private bool IsFresh(Answer answer, DateTimeOffset now)
    {
        if (!answer.Task.IsCompleted)
        {
            return true;
        }

        // A positive answer holds as long as a peer that gave it is connected, a negative one for a moment.
        return answer.Task is { IsCompletedSuccessfully: true, Result: not null }
            ? ResolvingPeers().Intersect(answer.Sources.Keys).Any()
            : now - answer.Asked < NegativeTime;
    }

    private void Forget(DateTimeOffset now)
    {
        foreach ((Digest digest, Answer answer) in _answers)
        {
            if (answer.Task.IsCompleted && (now - answer.Asked > NegativeTime))
            {
                _answers.TryRemove(digest, out _);
            }
        }
    }

    private async Task<ContentRecord?> AskAllAsync(Digest digest, Answer answer)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        limit.CancelAfter(QuestionTime);
        var waiting = new Dictionary<Task<ContentRecord?>, PeerId>();
        foreach (PeerId peer in ResolvingPeers())
        {
            waiting.Add(AskPeerAsync(peer, digest, limit.Token), peer);
        }

        while (waiting.Count > 0)
        {
            Task<ContentRecord?> done = await Task.WhenAny(waiting.Keys);
            waiting.Remove(done, out PeerId peer);
            if (await done is not { Complete: true } record || !await IsRootSoundAsync(peer, record, limit.Token))
            {
                continue;
            }

            answer.Sources.TryAdd(peer, 0);
            _ = CollectOthersAsync(waiting, record, answer);
            return record with { Complete = false, Owned = false };
        }

        return null;
    }

    /// <summary>The slower peers' answers are sources too, when they name the same root.</summary>
    private static async Task CollectOthersAsync(Dictionary<Task<ContentRecord?>, PeerId> waiting, ContentRecord first, Answer answer)
    {
        foreach ((Task<ContentRecord?> task, PeerId peer) in waiting)
        {
            if (await task is { } record && record.Root == first.Root)
            {
                answer.Sources.TryAdd(peer, 0);
            }
        }
    }

    private async Task<ContentRecord?> AskPeerAsync(PeerId peer, Digest digest, CancellationToken cancellationToken)
    {
        try
        {
            IReadOnlyList<ContentRecord> records = await _resolve.AskAsync(peer, [digest], cancellationToken);
            return records.FirstOrDefault(r => r.Digest == digest && IsPlausible(r));
        }
        catch (Exception e)
        {
            // Whatever one peer does wrong, the others' answers count.
            LogNoAnswer(peer, digest, e.Message);
            return null;
        }
    }

    /// <summary>What must hold of a record whoever sends it: a dag's root is its digest, a small blob's raw block too.</summary>
    private static bool IsPlausible(ContentRecord record) =>
        record.Size >= 0
        && record.Root.Hash.Code == Multihash.Sha2_256
        && (record.Kind == ContentKind.Dag
            ? record.Root.Codec == Multicodec.DagPb && record.Root.Hash == record.Digest.Hash
            : record.Root.Codec is Multicodec.DagPb or Multicodec.Raw);

    /// <summary>
    /// Info's answer is a promise of a size, so the root block itself must be here and say the same; a peer's word is not enough.
    /// </summary>
    private async Task<bool> IsRootSoundAsync(PeerId peer, ContentRecord record, CancellationToken cancellationToken)
    {
        try
        {
            await using BitswapSession session = _bitswap.CreateSession([peer]);
            using IMemoryOwner<byte> root = await session.GetAsync(record.Root, cancellationToken);
            bool sound = record.Root.Codec == Multicodec.Raw
                ? root.Memory.Length == record.Size && record.Root.Hash == record.Digest.Hash
                : DagFile.TryReadRoot(root.Memory.Span, out long size) && size == record.Size;
            if (!sound)
            {
                LogFalseRecord(peer, record.Digest);
            }

            return sound;
        }
        catch (Exception e)
        {
            LogNoAnswer(peer, record.Digest, e.Message);
            return false;
        }
    }

    private PeerId[] KnownSources(Digest digest) => _answers.TryGetValue(digest, out Answer? answer) ? [.. answer.Sources.Keys] : [];

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

        using Hold kept = _store.Keep(record.Root);
        long started = _time.GetTimestamp();
        PeerId[] sources = KnownSources(digest);
        if (sources.Length == 0)
        {
            // After a restart, or when those who had it are gone: look for the root's owners, not for a missing block's.
            await Ask(digest).Task.WaitAsync(cancellationToken);
            sources = KnownSources(digest);
        }

        await using var source = new BitswapSource(_bitswap.CreateSession(sources));
        try
        {
            await FetchAndCheckAsync(record, source, cancellationToken);
        }
        catch (Exception e) when (e is BlockNotFoundException or DagFormatException)
        {
            throw new ContentUnavailableException($"{digest} could not be fetched from {Describe(sources)}: {e.Message}", e);
        }

        // containerd may have taken or dropped it meanwhile: only what is there now is marked.
        if (_store.Contents.Get(digest) is { } current)
        {
            _store.Commit(current with { Complete = true, UpdatedAt = _time.GetUtcNow() }, ingestRef: null);
        }

        LogFetched(digest, record.Size, sources.Length, _time.GetElapsedTime(started).TotalMilliseconds);
    }

    /// <summary>Reads the whole content through the session; for a blob, hashes it on the way and compares.</summary>
    private static async Task FetchAndCheckAsync(ContentRecord record, BitswapSource source, CancellationToken cancellationToken)
    {
        await using DagReader reader = await DagReader.OpenAsync(record.Root, source, FetchAhead, cancellationToken);
        if (reader.Length != record.Size)
        {
            throw new DagFormatException($"the DAG of {record.Digest} has {reader.Length} bytes, not {record.Size}");
        }

        using IncrementalHash? hash = record.Kind == ContentKind.Blob ? IncrementalHash.CreateHash(HashName(record.Digest)) : null;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(1 << 18);
        try
        {
            long offset = 0;
            for (int n; (n = await reader.ReadAsync(offset, buffer, cancellationToken)) > 0; offset += n)
            {
                hash?.AppendData(buffer.AsSpan(0, n));
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
    }

    private static HashAlgorithmName HashName(Digest digest) => digest.Hash.Code switch
    {
        Multihash.Sha2_512 => HashAlgorithmName.SHA512,
        Multihash.Sha2_384 => HashAlgorithmName.SHA384,
        _ => HashAlgorithmName.SHA256,
    };

    private static string Describe(PeerId[] sources) => sources.Length == 0 ? "any connected peer" : string.Join(", ", sources);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Peer} gave no answer for {Digest}: {Reason}")]
    private partial void LogNoAnswer(PeerId peer, Digest digest, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Peer} says of {Digest} what its root block does not")]
    private partial void LogFalseRecord(PeerId peer, Digest digest);

    [LoggerMessage(Level = LogLevel.Information, Message = "fetched {Digest}: {Bytes} bytes from {Peers} peers in {Milliseconds:F0} ms")]
    private partial void LogFetched(Digest digest, long bytes, int peers, double milliseconds);

    /// <summary>One question to the fleet, begun by the first who looks at its task: coalesces the others, and remembers who has it.</summary>
    private sealed class Answer
    {
        private readonly Lazy<Task<ContentRecord?>> _task;

        public Answer(DateTimeOffset asked, Func<Answer, Task<ContentRecord?>> ask)
        {
            Asked = asked;
            _task = new Lazy<Task<ContentRecord?>>(() => ask(this));
        }

        public DateTimeOffset Asked { get; }

        public ConcurrentDictionary<PeerId, byte> Sources { get; } = new();

        public Task<ContentRecord?> Task => _task.Value;
    }
}
