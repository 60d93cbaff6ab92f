using System.Collections.Concurrent;
using Ipcs.Bitswap.Client;
using Ipcs.Bitswap.Exchange;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Fleet.Locating;
using Ipcs.Fleet.Resolve;
using Ipcs.Kademlia;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.Fleet;

/// <summary>
/// The door through which unmodified images come: finds which peer has the whole of a digest, and fetches it. Owns the fetches under way; those that a
/// restart or a loss of all sources has broken off go on when a peer comes.
/// </summary>
public sealed partial class ContentFetcher : IAsyncDisposable
{
    /// <summary>Large contents fetched at a time, the first asked for first: as many as keep every link busy, and few enough that the first is done early.</summary>
    private const int MaxLarge = 4;

    /// <summary>A content up to this size waits for no turn: manifests and configs are what everything else waits for.</summary>
    private const int SmallSize = 1 << 20;

    /// <summary>Between looks for more sources of a fetch; twice as long each time.</summary>
    private static readonly TimeSpan FirstLook = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan LastLook = TimeSpan.FromSeconds(4);

    private readonly IHost _host;
    private readonly IStore _store;
    private readonly ContentCatalog _updates;
    private readonly BitswapService _bitswap;
    private readonly ResolveService _resolve;
    private readonly TimeSpan _budget;
    private readonly TimeProvider _time;
    private readonly TaskScheduler _work;
    private readonly ILogger _logger;
    private readonly LocalResolver _index;
    private readonly ContentLocator _questions;
    private readonly ProviderSearch _search;
    private readonly ConcurrentDictionary<Digest, Lazy<Task>> _fetches = new();
    private readonly ConcurrentDictionary<Digest, ContentFetch> _active = new();
    private readonly ConcurrentDictionary<Digest, byte> _interrupted = new();
    private readonly SemaphoreSlim _large = new(MaxLarge, MaxLarge);
    private readonly CancellationTokenSource _stopping = new();

    public ContentFetcher(
        IHost host,
        IStore store,
        ContentCatalog updates,
        BitswapService bitswap,
        TimeSpan budget,
        TimeProvider time,
        ILogger logger,
        IContentRouting? routing = null,
        TaskScheduler? work = null)
    {
        _work = work ?? TaskScheduler.Default;
        _host = host;
        _store = store;
        _updates = updates;
        _bitswap = bitswap;
        _budget = budget;
        _time = time;
        _logger = logger;
        _index = new LocalResolver(store, time);
        _resolve = new ResolveService(host, _index, store.Blocks);
        _questions = new ContentLocator(host, store.Blocks, bitswap, _resolve, time, logger, _stopping.Token);
        _search = new ProviderSearch(host, routing, time, logger, _stopping.Token);
        _index.LeecherSeen += OnLeecherSeen;
        host.PeerIdentified += OnIdentified;
    }

    /// <summary>Contents that are on their way here now.</summary>
    public int FetchesUnderWay => _fetches.Count;

    /// <summary>Goes on with what was promised and not whole when the daemon ended.</summary>
    public void Resume()
    {
        foreach (ContentRecord record in _store.Contents.Enumerate())
        {
            if (record is { Owned: true, Complete: false })
            {
                StartFetch(record);
            }
        }
    }

    /// <summary>Starts the fetch of a content whose record is in the index, owned and not complete. A second start joins the first.</summary>
    public void StartFetch(ContentRecord content) => _ = FetchOf(content.Digest);

    /// <summary>Completes when the content is whole and checked here.</summary>
    /// <exception cref="ContentUnavailableException">Every source is lost; the message names the digest and what was tried.</exception>
    public async Task WaitAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (_store.Contents.Get(digest) is { Complete: true })
        {
            return;
        }

        await FetchOf(digest).WaitAsync(cancellationToken);
    }

    /// <summary>Blocks of a content, from the store first and from the fleet else: for contents of kind dag that are read while they come.</summary>
    public IBlockSource SourceFor(ContentRecord content)
    {
        if (content.Complete)
        {
            return new LocalBlockSource(_store.Blocks);
        }

        BitswapSession session = _bitswap.CreateSession();
        foreach ((PeerId peer, PeerAvailability availability) in _questions.Providers(content.Digest))
        {
            session.AddPeer(peer, availability);
        }

        return new BitswapSource(session);
    }

    /// <summary>
    /// Blocks from here first, from any connected peer else, and when none sends one that is missing, from those of whom the DHT says that they have
    /// the root. The caller disposes it.
    /// </summary>
    public BitswapSource AnySource()
    {
        return new BitswapSource(_bitswap.CreateSession([]), urgent: true, root => _ = _search.SearchAsync(root.Hash));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _host.PeerIdentified -= OnIdentified;
        _index.LeecherSeen -= OnLeecherSeen;
        await _stopping.CancelAsync();
        foreach (Lazy<Task> fetch in _fetches.Values)
        {
            await fetch.Value.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await _resolve.DisposeAsync();
        _stopping.Dispose();
    }

    private void OnLeecherSeen(Digest digest, PeerId peer)
    {
        if (_active.TryGetValue(digest, out ContentFetch? fetch))
        {
            fetch.AddSource(peer, PeerAvailability.Partial);
        }
    }

    /// <summary>A peer has come: it may have what is being fetched, and what could not be.</summary>
    private void OnIdentified(PeerInfo peer)
    {
        if (_stopping.IsCancellationRequested || !peer.Protocols.Contains(ResolveService.Protocol))
        {
            return;
        }

        if (!_active.IsEmpty)
        {
            _ = LookForMoreAsync([.. _active.Values]);
        }

        foreach (Digest digest in _interrupted.Keys)
        {
            _ = FetchOf(digest);
        }
    }

    /// <summary>The fetch under way for a digest, or a new one; a failed one is forgotten, so that the next who waits tries again.</summary>
    private Task FetchOf(Digest digest)
    {
        Task fetch = _fetches.GetOrAdd(digest, d => new Lazy<Task>(() => Task.Run(() => RunFetchAsync(d)))).Value;

        // Looked at, so that a failure that nobody waits for is not reported as unobserved.
        _ = fetch.ContinueWith(static t => _ = t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        return fetch;
    }

    private async Task RunFetchAsync(Digest digest)
    {
        try
        {
            _interrupted.TryRemove(digest, out _);
            await FetchAsync(digest, _stopping.Token);
        }
        catch (Exception e)
        {
            if (_store.Contents.Get(digest) is { Owned: true, Complete: false })
            {
                _interrupted[digest] = 0;
            }

            LogFetchFailed(digest, e.Message);
            throw e as ContentUnavailableException ?? new ContentUnavailableException($"{digest} could not be fetched: {e.Message}", e);
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

        bool takesTurn = record.Size > SmallSize;
        if (takesTurn)
        {
            await _large.WaitAsync(cancellationToken);
        }

        try
        {
            using GcLease kept = _store.LeaseDag(record.Root);
            if (_store.Contents.Get(digest) is { Complete: false } still)
            {
                await FetchAsync(await WithRootThatIsHadAsync(still, kept, cancellationToken), cancellationToken);
            }
        }
        finally
        {
            if (takesTurn)
            {
                _large.Release();
            }
        }
    }

    /// <summary>
    /// The record, with another root when those who have the content made it another way: the check of the whole decides. Asks when nothing is known.
    /// </summary>
    private async Task<ContentRecord> WithRootThatIsHadAsync(ContentRecord record, GcLease kept, CancellationToken cancellationToken)
    {
        ContentRecord? found = await _questions.Ask(record.Digest).Decided.WaitAsync(cancellationToken);
        if (found is null || found.Root == record.Root || found.Size != record.Size || record.Kind != found.Kind)
        {
            return record;
        }

        kept.Add(found.Root);
        return _updates.Change(record.Digest, current => current is { Complete: false } && current.Root == record.Root ? current with { Root = found.Root } : current) ?? record;
    }

    private async Task FetchAsync(ContentRecord record, CancellationToken cancellationToken)
    {
        long started = _time.GetTimestamp();
        await using var fetch = new ContentFetch(record, _store.Blocks, _bitswap.CreateSession(), _work);
        _active[record.Digest] = fetch;
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task looking = KeepLookingAsync(fetch, over.Token);
        try
        {
            ReadOnlyMemory<byte> text = await fetch.RunAsync(cancellationToken);

            // containerd may have taken, labelled, dropped or written it meanwhile: only what is there now, of this DAG, is marked.
            _updates.Change(record.Digest, current => current is { Complete: false } && current.Root == record.Root ? current with { Complete = true } : current);
            FleetMeter.Fetched(record.Size, _time.GetElapsedTime(started));
            LogFetched(record.Digest, record.Size, fetch.Sources.Count, _time.GetElapsedTime(started).TotalMilliseconds);

            // A manifest that comes from the fleet passes no COMMIT: what it names is asked for here.
            LookAhead(DescriptorScan.Descriptors(text));
        }
        catch (FalseContentException e)
        {
            foreach (PeerId liar in _questions.CompleteProviders(record.Digest))
            {
                await _bitswap.BanAsync(liar, e.Message);
            }

            _questions.Forget(record.Digest);
            throw;
        }
        catch (Exception e) when (e is BlockNotFoundException or DagFormatException)
        {
            throw new ContentUnavailableException($"{record.Digest} could not be fetched from {Describe(_questions.CompleteProviders(record.Digest))}: {e.Message}", e);
        }
        finally
        {
            _active.TryRemove(record.Digest, out _);
            await over.CancelAsync();
            await looking;
        }
    }

    /// <summary>
    /// Looks for more sources while a fetch lasts: peers that have come, receivers that have begun, and providers that the DHT names when nobody who is
    /// connected has a part, or after a first look the whole. Never throws.
    /// </summary>
    private async Task KeepLookingAsync(ContentFetch fetch, CancellationToken over)
    {
        TimeSpan pause = FirstLook;
        Feed(fetch);
        while (!over.IsCancellationRequested)
        {
            if (!IsConnected(pause == FirstLook ? fetch.Sources : _questions.CompleteProviders(fetch.Record.Digest)))
            {
                Task search = _search.SearchAsync(fetch.Record.Digest.Hash);
                await search.WaitAsync(over).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                await LookForMoreAsync([fetch]);
            }

            await Task.Delay(pause, _time, over).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (over.IsCancellationRequested)
            {
                return;
            }

            await LookForMoreAsync([fetch]);
            pause = pause * 2 < LastLook ? pause * 2 : LastLook;
        }
    }

    private async Task LookForMoreAsync(ContentFetch[] fetches)
    {
        Task asking = _questions.AskAgainAsync([.. fetches.Select(f => f.Record.Digest)]);

        // One that hangs does not keep the others' answers from being used.
        await Task.WhenAny(asking, Task.Delay(FirstLook, _time));
        Array.ForEach(fetches, Feed);
    }

    private void Feed(ContentFetch fetch)
    {
        foreach ((PeerId peer, PeerAvailability availability) in _questions.Providers(fetch.Record.Digest))
        {
            fetch.AddSource(peer, availability);
        }

        foreach (PeerId leecher in _index.AskersOf(fetch.Record.Digest))
        {
            fetch.AddSource(leecher, PeerAvailability.Partial);
        }

        if (!IsConnected(_questions.CompleteProviders(fetch.Record.Digest)))
        {
            fetch.Broadcast();
        }
    }

    private bool IsConnected(ICollection<PeerId> any) => any.Count > 0 && _host.Peers.Any(p => any.Contains(p.Peer));

    private static string Describe(PeerId[] whole) => whole.Length == 0 ? "any connected peer" : string.Join(", ", whole);

    [LoggerMessage(Level = LogLevel.Warning, Message = "fetch of {Digest} broken off: {Reason}")]
    private partial void LogFetchFailed(Digest digest, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "fetched {Digest}: {Bytes} bytes from {Peers} peers in {Milliseconds:F0} ms")]
    private partial void LogFetched(Digest digest, long bytes, int peers, double milliseconds);
}
