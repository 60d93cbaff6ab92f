using System.Diagnostics;
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
/// Finds which peers have a content, and fetches it. Owns the running fetches. A fetch that was interrupted by a restart or by the loss of
/// all its sources is started again when a peer connects.
/// </summary>
public sealed partial class ContentFetcher : IAsyncDisposable
{
    /// <summary>
    /// Large contents fetched at a time, in the order of asking: enough to keep all connections busy, few enough that the first is complete
    /// early.
    /// </summary>
    private const int MaxLarge = 4;

    /// <summary>Up to this size, in bytes, a fetch does not wait for a slot: everything else waits for manifests and configs.</summary>
    private const int SmallSize = 1 << 20;

    /// <summary>The time between two searches for more sources of a fetch; it doubles with each search.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan LastPause = TimeSpan.FromSeconds(4);

    private readonly IHost _host;
    private readonly IStore _store;
    private readonly ContentCatalog _catalog;
    private readonly BitswapService _bitswap;
    private readonly ResolveService _resolve;
    private readonly TimeSpan _budget;
    private readonly TimeProvider _time;
    private readonly TaskScheduler _work;
    private readonly ILogger _logger;
    private readonly LocalResolver _local;
    private readonly ContentLocator _locator;
    private readonly ProviderSearch _search;
    private readonly BlockRepair _repair;
    private readonly SemaphoreSlim _large = new(MaxLarge, MaxLarge);
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskTracker _background = new();
    private readonly Lock _lock = new();

    // Under the lock, in the order in which they were added.
    private readonly OrderedDictionary<Digest, Task> _fetches = [];
    private readonly OrderedDictionary<Digest, ContentFetch> _active = [];
    private readonly OrderedDictionary<Digest, bool> _interrupted = [];

    public ContentFetcher(
        IHost host,
        IStore store,
        ContentCatalog catalog,
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
        _catalog = catalog;
        _bitswap = bitswap;
        _budget = budget;
        _time = time;
        _logger = logger;
        _local = new LocalResolver(store.Contents, store.Blocks, time);
        _resolve = new ResolveService(host, _local, store.Blocks, time);
        _locator = new ContentLocator(host, store.Blocks, bitswap, _resolve, time, logger);
        _search = new ProviderSearch(host, routing, time, logger);
        _repair = new BlockRepair(store, catalog, StartFetch, FetchPinAsync, logger);
        _local.LeecherSeen += OnLeecherSeen;
        host.PeerIdentified += OnIdentified;
    }

    /// <summary>The number of running fetches.</summary>
    public int FetchesUnderWay
    {
        get
        {
            lock (_lock)
            {
                return _fetches.Count;
            }
        }
    }

    /// <summary>Starts the fetches of all contents that are owned and not complete, after a restart.</summary>
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

    /// <summary>Starts the fetch of a content whose record is stored, owned and not complete, unless it runs already.</summary>
    public void StartFetch(ContentRecord content) => _ = FetchOf(content.Digest);

    /// <summary>Completes when a content is stored completely and verified.</summary>
    /// <exception cref="ContentUnavailableException">No source is left; the message has the digest and what was tried.</exception>
    public async Task WaitAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (_store.Contents.Get(digest) is { Complete: true })
        {
            return;
        }

        await FetchOf(digest).WaitAsync(cancellationToken);
    }

    /// <summary>
    /// The blocks of a content, from the store or else from its providers, for a content of kind dag that is read while it is fetched.
    /// </summary>
    public IBlockSource SourceFor(ContentRecord content)
    {
        if (content.Complete)
        {
            return new LocalBlockSource(_store.Blocks);
        }

        BitswapSession session = _bitswap.CreateSession();
        foreach ((PeerId peer, PeerAvailability availability) in _locator.Providers(content.Digest))
        {
            session.AddPeer(peer, availability);
        }

        return new BitswapSource(session, _time);
    }

    /// <summary>
    /// Blocks from the store or else from any connected peer. When none sends a missing block, the providers of the root in the DHT are
    /// connected to. The caller disposes the source.
    /// </summary>
    public BitswapSource AnySource() =>
        new(_bitswap.CreateSession([]), _time, root => _search.Start(root.Hash));

    /// <summary>
    /// Fetches every block of a DAG that is not stored from any connected peer. While none sends one, the providers of the root in the DHT
    /// are connected to.
    /// </summary>
    /// <param name="root">The root.</param>
    /// <param name="onBlock">Called for each block once it is stored, also when it was stored before.</param>
    /// <param name="cancellationToken">Stops the fetch.</param>
    /// <exception cref="BlockNotFoundException">No peer sends a block.</exception>
    /// <exception cref="DagFormatException">A block is malformed, or the DAG has too many blocks.</exception>
    public async Task FetchDagAsync(Cid root, Action onBlock, CancellationToken cancellationToken)
    {
        await using BitswapSession session = _bitswap.CreateSession([]);
        await new DagFetch(_store.Blocks, session, root, _time, (_, _) => onBlock())
        {
            OnLongWait = r => _search.Start(r.Hash),
        }.RunAsync(cancellationToken);
    }

    /// <summary>Fetches what complete contents, contents that containerd owns, and pins lack.</summary>
    /// <param name="tell">Called with a line of text for each of them. Never called concurrently.</param>
    /// <param name="cancellationToken">Stops the repair.</param>
    /// <returns>The number of contents and pins that still lack something.</returns>
    public Task<int> RepairAsync(Action<string> tell, CancellationToken cancellationToken) =>
        new StoreRepair(_store, _catalog, WaitAsync, FetchPinAsync).RunAsync(tell, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _host.PeerIdentified -= OnIdentified;
        _local.LeecherSeen -= OnLeecherSeen;
        await _stopping.CancelAsync();
        await _repair.DisposeAsync();

        // Before the background tasks, which wait for searches, questions and walks: those end when their owners are disposed.
        await _search.DisposeAsync();
        await _locator.DisposeAsync();
        await _resolve.DisposeAsync();
        await _local.DisposeAsync();
        await _background.WhenAllAsync();
        _stopping.Dispose();
    }

    private async Task FetchPinAsync(PinRecord pin, CancellationToken cancellationToken)
    {
        if (pin.Recursive)
        {
            await FetchDagAsync(pin.Root, static () => { }, cancellationToken);
            return;
        }

        await using BitswapSource source = AnySource();
        (await source.GetAsync(pin.Root, cancellationToken)).Dispose();
    }

    private void OnLeecherSeen(Digest digest, PeerId peer)
    {
        ContentFetch? fetch;
        lock (_lock)
        {
            _active.TryGetValue(digest, out fetch);
        }

        fetch?.AddSource(peer, PeerAvailability.Partial);
    }

    /// <summary>Handles a peer that has connected: it may have contents that are being fetched or could not be fetched.</summary>
    private void OnIdentified(PeerInfo peer)
    {
        if (_stopping.IsCancellationRequested || !peer.Protocols.Contains(ResolveService.Protocol))
        {
            return;
        }

        ContentFetch[] active;
        Digest[] interrupted;
        lock (_lock)
        {
            active = [.. _active.Values];
            interrupted = [.. _interrupted.Keys];
        }

        if (active.Length > 0)
        {
            _background.Add(FindSourcesAsync(active));
        }

        Array.ForEach(interrupted, d => _ = FetchOf(d));
    }

    /// <summary>The running fetch of a digest, or a new one. A failed fetch is removed, so that the next caller starts another.</summary>
    private Task FetchOf(Digest digest)
    {
        lock (_lock)
        {
            if (_fetches.TryGetValue(digest, out Task? running))
            {
                return running;
            }

            Task fetch = Task.Run(() => RunFetchAsync(digest));
            _fetches.Add(digest, fetch);
            _interrupted.Remove(digest);
            _background.Add(ObserveAsync(fetch));
            return fetch;
        }
    }

    /// <summary>Waits for a fetch, so that a failure that no caller waits for counts as observed.</summary>
    private static async Task ObserveAsync(Task fetch) => await fetch.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private async Task RunFetchAsync(Digest digest)
    {
        bool interrupted = false;
        try
        {
            await FetchAsync(digest, _stopping.Token);
        }
        catch (Exception e)
        {
            interrupted = _store.Contents.Get(digest) is { Owned: true, Complete: false };
            LogFetchFailed(digest, e.Message);
            throw e as ContentUnavailableException ?? new ContentUnavailableException($"{digest} could not be fetched: {e.Message}", e);
        }
        finally
        {
            lock (_lock)
            {
                _fetches.Remove(digest);
                if (interrupted)
                {
                    _interrupted[digest] = true;
                }
            }
        }
    }

    private async Task FetchAsync(Digest digest, CancellationToken cancellationToken)
    {
        ContentRecord record = _store.Contents.Get(digest) ?? throw new ContentUnavailableException($"{digest} has no record");
        if (record.Complete)
        {
            return;
        }

        bool needsSlot = record.Size > SmallSize;
        if (needsSlot)
        {
            await _large.WaitAsync(cancellationToken);
        }

        try
        {
            using GcLease lease = _store.LeaseDag(record.Root);
            if (_store.Contents.Get(digest) is { Complete: false } still)
            {
                await FetchAsync(await WithProvidedRootAsync(still, lease, cancellationToken), cancellationToken);
            }
        }
        finally
        {
            if (needsSlot)
            {
                _large.Release();
            }
        }
    }

    /// <summary>
    /// Returns the record, with the providers' root when they have made the DAG differently: the hash of the whole content decides. Asks
    /// the peers when nothing is known.
    /// </summary>
    private async Task<ContentRecord> WithProvidedRootAsync(ContentRecord record, GcLease lease, CancellationToken cancellationToken)
    {
        ContentRecord? found = await _locator.Ask(record.Digest).Decided.WaitAsync(cancellationToken);
        if (found is null || found.Root == record.Root || found.Size != record.Size || record.Kind != found.Kind)
        {
            return record;
        }

        lease.Add(found.Root);
        return _catalog.Change(record.Digest, current => IsSame(current, record) ? current! with { Root = found.Root } : current) ?? record;
    }

    /// <summary>True while a record is incomplete and of the same DAG: containerd may have changed or removed it meanwhile.</summary>
    private static bool IsSame(ContentRecord? current, ContentRecord record) =>
        current is { Complete: false } && current.Root == record.Root;

    private async Task FetchAsync(ContentRecord record, CancellationToken cancellationToken)
    {
        using Activity? span = IpcsActivity.Source.StartActivity("fetch");
        span?.SetTag("digest", record.Digest.ToString()).SetTag("size", record.Size);
        long started = _time.GetTimestamp();
        await using var fetch = new ContentFetch(record, _store.Blocks, _bitswap.CreateSession(), _time, _work);
        lock (_lock)
        {
            _active[record.Digest] = fetch;
        }

        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task finding = KeepFindingSourcesAsync(fetch, over.Token);
        try
        {
            (long length, ReadOnlyMemory<byte> text) = await fetch.RunAsync(cancellationToken);

            // The length in the record may be a peer's word; this one is of the bytes.
            _catalog.Change(
                record.Digest, current => IsSame(current, record) ? current! with { Size = length, Complete = true } : current);
            TimeSpan took = _time.GetElapsedTime(started);
            FleetMeter.Fetched(length, took);
            LogFetched(record.Digest, length, fetch.Sources.Length, took.TotalMilliseconds);

            // A fetched manifest passes no COMMIT, so the contents that it names are looked up here.
            LookAhead(DescriptorScan.Descriptors(text));
        }
        catch (FalseContentException e)
        {
            span?.SetStatus(ActivityStatusCode.Error, e.Message);
            foreach (PeerId liar in _locator.CompleteProviders(record.Digest))
            {
                await _bitswap.BanAsync(liar, e.Message);
            }

            _locator.Forget(record.Digest);
            throw;
        }
        catch (Exception e) when (e is BlockNotFoundException or DagFormatException)
        {
            span?.SetStatus(ActivityStatusCode.Error, e.Message);
            PeerId[] providers = _locator.CompleteProviders(record.Digest);
            string source = providers.Length == 0 ? "any connected peer" : string.Join(", ", providers);
            throw new ContentUnavailableException($"{record.Digest} could not be fetched from {source}: {e.Message}", e);
        }
        finally
        {
            lock (_lock)
            {
                _active.Remove(record.Digest);
            }

            await over.CancelAsync();
            await finding;
        }
    }

    /// <summary>
    /// Finds more sources while a fetch runs: peers that have connected, leechers, and providers in the DHT when no connected peer has a
    /// part, or after the first pause when none has the whole. Never throws.
    /// </summary>
    private async Task KeepFindingSourcesAsync(ContentFetch fetch, CancellationToken over)
    {
        TimeSpan pause = FirstPause;
        AddSources(fetch);
        while (!over.IsCancellationRequested)
        {
            if (!IsConnected(pause == FirstPause ? fetch.Sources : _locator.CompleteProviders(fetch.Record.Digest)))
            {
                Task search = _search.SearchAsync(fetch.Record.Digest.Hash);
                await search.WaitAsync(over).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                await FindSourcesAsync([fetch]);
            }

            await Task.Delay(pause, _time, over).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (over.IsCancellationRequested)
            {
                return;
            }

            await FindSourcesAsync([fetch]);
            pause = pause * 2 < LastPause ? pause * 2 : LastPause;
        }
    }

    private async Task FindSourcesAsync(ContentFetch[] fetches)
    {
        Task asking = _locator.AskAgainAsync([.. fetches.Select(f => f.Record.Digest)]);

        // A hanging peer does not delay the use of the other answers.
        await Task.WhenAny(asking, Task.Delay(FirstPause, _time));
        Array.ForEach(fetches, AddSources);
    }

    private void AddSources(ContentFetch fetch)
    {
        foreach ((PeerId peer, PeerAvailability availability) in _locator.Providers(fetch.Record.Digest))
        {
            fetch.AddSource(peer, availability);
        }

        foreach (PeerId leecher in _local.LeechersOf(fetch.Record.Digest))
        {
            fetch.AddSource(leecher, PeerAvailability.Partial);
        }

        if (!IsConnected(_locator.CompleteProviders(fetch.Record.Digest)))
        {
            fetch.Broadcast();
        }
    }

    private bool IsConnected(PeerId[] any) => any.Length > 0 && _host.Peers.Any(p => any.Contains(p.Peer));

    [LoggerMessage(Level = LogLevel.Warning, Message = "the fetch of {Digest} was interrupted: {Reason}")]
    private partial void LogFetchFailed(Digest digest, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "fetched {Digest}: {Bytes} bytes from {Peers} peers in {Milliseconds:F0} ms")]
    private partial void LogFetched(Digest digest, long bytes, int peers, double milliseconds);
}
