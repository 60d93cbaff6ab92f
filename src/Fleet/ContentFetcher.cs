using Ipcs.Bitswap.Client;
using Ipcs.Bitswap.Exchange;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Import;
using Ipcs.Fleet.Growing;
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
    /// early. Fetches that wait patiently for slow peers have as many slots of their own.
    /// </summary>
    private const int MaxLarge = 4;

    /// <summary>
    /// Contents fetched at a time from peers that are getting them themselves. Over that they are left to the registry: they come at the
    /// rate of what those peers get them from, so nobody waits for one of them to end.
    /// </summary>
    private const int MaxGrowing = 16;

    /// <summary>The maximum number of running fetches. Over that no content is fetched ahead.</summary>
    private const int MaxFetches = 4096;

    private readonly IHost _host;
    private readonly IStore _store;
    private readonly ContentCatalog _catalog;
    private readonly BitswapService _bitswap;
    private readonly ResolveService _resolve;
    private readonly TimeSpan _findTime;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly GrowingContents _growing;
    private readonly LocalResolver _local;
    private readonly ContentLocator _locator;
    private readonly ProviderSearch _search;
    private readonly BlockRepair _repair;
    private readonly FetchServices _services;
    private readonly SemaphoreSlim _large = new(MaxLarge, MaxLarge);
    private readonly SemaphoreSlim _largePatient = new(MaxLarge, MaxLarge);
    private readonly SemaphoreSlim _growingSlots = new(MaxGrowing, MaxGrowing);
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskTracker _background = new();
    private readonly Lock _lock = new();

    // Under the lock, in the order in which they were added.
    private readonly OrderedDictionary<Digest, RunningFetch> _fetches = [];
    private readonly OrderedDictionary<Digest, bool> _interrupted = [];
    private readonly List<DagDownload> _downloads = [];

    /// <summary>Starts to answer the questions of peers.</summary>
    /// <param name="host">The host.</param>
    /// <param name="store">The store.</param>
    /// <param name="catalog">Its contents.</param>
    /// <param name="bitswap">Bitswap on the host.</param>
    /// <param name="profile">The profile of the DAGs of contents that clients write.</param>
    /// <param name="findTime">How long the peers have to say that they have a content, before it counts as absent.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The logger.</param>
    /// <param name="routing">The DHT; null when there is none.</param>
    /// <param name="work">Where fetched contents are hashed.</param>
    public ContentFetcher(
        IHost host,
        IStore store,
        ContentCatalog catalog,
        BitswapService bitswap,
        ImportProfile profile,
        TimeSpan findTime,
        TimeProvider time,
        ILogger logger,
        IContentRouting? routing = null,
        TaskScheduler? work = null)
    {
        _host = host;
        _store = store;
        _catalog = catalog;
        _bitswap = bitswap;
        _findTime = findTime;
        _time = time;
        _logger = logger;
        _growing = new GrowingContents(profile, time);
        _local = new LocalResolver(store.Contents, store.Blocks, _growing, time, ClaimedBy);
        _resolve = new ResolveService(host, _local, store.Blocks, time);
        _locator = new ContentLocator(host, store.Blocks, bitswap, _resolve, time, logger);
        _search = new ProviderSearch(host, routing, time, logger);
        _repair = new BlockRepair(store, catalog, StartFetch, FetchPinAsync, logger);
        _services = new FetchServices(
            host,
            store,
            catalog,
            bitswap,
            _locator,
            _local,
            _search,
            _growing,
            profile,
            time,
            work ?? TaskScheduler.Default,
            _background,
            logger);
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

    /// <summary>
    /// Begins to share the chunks of a content while a client writes it. Null when they are not shared: the same content is growing
    /// already, too many are, or their leaves are no raw blocks.
    /// </summary>
    /// <param name="digest">The digest that the content is to have.</param>
    /// <param name="size">Its length in bytes.</param>
    public GrowingContent? BeginGrowing(Digest digest, long size) => _growing.Begin(digest, size);

    /// <summary>Starts the fetch of a content whose record is stored, owned and not complete, unless it runs already.</summary>
    public void StartFetch(ContentRecord content) => _ = FetchOf(content.Digest, patient: true);

    /// <summary>Completes when a content is stored completely and verified.</summary>
    /// <exception cref="ContentUnavailableException">No source is left; the message has the digest and what was tried.</exception>
    public async Task WaitAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (_store.Contents.Get(digest) is { Complete: true })
        {
            return;
        }

        await FetchOf(digest, patient: true).Whole.WaitAsync(cancellationToken);
    }

    /// <summary>
    /// Fetches a content for a client that can get it elsewhere too: gives up when no peer says within the time to find it that it has it,
    /// or when the peers that do send less than a fair rate for 2 s.
    /// </summary>
    /// <param name="digest">The content.</param>
    /// <param name="onProgress">Called with the number of verified bytes.</param>
    /// <param name="cancellationToken">Ends the wait, and the fetch too when nobody else waits for it.</param>
    /// <returns>The verified content, which is stored completely; null when the fleet cannot give it.</returns>
    public async Task<ContentRecord?> FetchAsync(Digest digest, Action<long> onProgress, CancellationToken cancellationToken)
    {
        if (_catalog.Get(digest) is { Complete: true } there)
        {
            return there;
        }

        long started = _time.GetTimestamp();
        RunningFetch running = FetchOf(digest, patient: false, waits: true);
        running.Fetch.Progressed += onProgress;
        ContentRecord? content = null;
        try
        {
            content = await running.Fetch.FirstPass.WaitAsync(cancellationToken);
            return content;
        }
        finally
        {
            running.Fetch.Progressed -= onProgress;
            await LeaveAsync(running);
            FleetMeter.Waited(
                content is not null ? "fetched" : cancellationToken.IsCancellationRequested ? "cancelled" : "absent",
                _time.GetElapsedTime(started));
        }
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
        new FetchSources(_services, content.Digest, content.Root, session).AddKnown();
        return new BitswapSource(session, _time);
    }

    /// <summary>
    /// Blocks from the store or else from any connected peer. When none sends a missing block, the providers of the root in the DHT are
    /// connected to. The caller disposes the source.
    /// </summary>
    public BitswapSource AnySource() =>
        new(_bitswap.CreateSession([]), _time, root => _search.Start(root.Hash));

    /// <summary>
    /// Fetches every block of a DAG that is not stored, from the peers that have it, and those that are fetching it too.
    /// </summary>
    /// <param name="root">The root.</param>
    /// <param name="onBlock">Called for each block once it is stored, also when it was stored before.</param>
    /// <param name="cancellationToken">Stops the fetch.</param>
    /// <exception cref="BlockNotFoundException">No peer sends a block.</exception>
    /// <exception cref="DagFormatException">A block is malformed, or the DAG has too many blocks.</exception>
    public async Task FetchDagAsync(Cid root, Action onBlock, CancellationToken cancellationToken)
    {
        await using DagDownload download = Download(root);
        await download.RunAsync(onBlock, cancellationToken);
    }

    /// <summary>The blocks of a DAG for a reader that reads all of it in order. The caller disposes it.</summary>
    public DagDownload Download(Cid root)
    {
        var download = new DagDownload(_services, root, _findTime, Remove);
        lock (_lock)
        {
            _downloads.Add(download);
        }

        return download;
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
        RunningFetchOf(digest)?.AddLeecher(peer);
        DagDownload[] downloads;
        lock (_lock)
        {
            downloads = [.. _downloads.Where(d => d.Root.Hash == digest.Hash)];
        }

        Array.ForEach(downloads, d => d.AddLeecher(peer));
    }

    private void Remove(DagDownload download)
    {
        lock (_lock)
        {
            _downloads.Remove(download);
        }
    }

    /// <summary>What this node is fetching under a digest; null when it does not.</summary>
    private ContentRecord? ClaimedBy(Digest digest) => RunningFetchOf(digest)?.Claimed;

    private ContentFetch? RunningFetchOf(Digest digest)
    {
        lock (_lock)
        {
            return _fetches.GetValueOrDefault(digest)?.Fetch;
        }
    }

    /// <summary>Handles a peer that has connected: it may have contents that are being fetched or could not be fetched.</summary>
    private void OnIdentified(PeerInfo peer)
    {
        if (_stopping.IsCancellationRequested || !ResolveService.IsSpokenBy(peer))
        {
            return;
        }

        ContentFetch[] active;
        Digest[] interrupted;
        lock (_lock)
        {
            active = [.. _fetches.Values.Select(f => f.Fetch).Where(f => f.Claimed is not null)];
            interrupted = [.. _interrupted.Keys];
        }

        if (active.Length > 0)
        {
            _background.Add(
                FetchSources.FindAsync(_services, [.. active.Select(f => f.Digest)], () => active.SelectMany(f => f.Sources)));
        }

        Array.ForEach(interrupted, d => _ = FetchOf(d, patient: true));
    }

    /// <summary>
    /// The running fetch of a digest, or a new one. A fetch that has ended is removed, so that the next caller starts another.
    /// </summary>
    /// <param name="digest">The content.</param>
    /// <param name="patient">True for a caller that waits as long as blocks come at any rate.</param>
    /// <param name="waits">True for a caller that leaves with <see cref="LeaveAsync"/>.</param>
    private RunningFetch FetchOf(Digest digest, bool patient, bool waits = false)
    {
        lock (_lock)
        {
            if (!_fetches.TryGetValue(digest, out RunningFetch? running))
            {
                running = new RunningFetch(
                    new ContentFetch(_services, digest, _findTime), CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token));
                _fetches.Add(digest, running);
                _interrupted.Remove(digest);
                RunningFetch fetch = running;
                running.Whole = Task.Run(() => RunFetchAsync(fetch));
                _background.Add(ObserveAsync(running.Whole));
            }

            running.IsPatient |= patient;
            running.Waiting += waits ? 1 : 0;
            return running;
        }
    }

    /// <summary>Ends a fetch that nobody waits for any more, although somebody did.</summary>
    private async Task LeaveAsync(RunningFetch running)
    {
        Task stopping;
        lock (_lock)
        {
            if (--running.Waiting > 0 || running.IsPatient || running.Fetch.FirstPass.IsCompleted)
            {
                return;
            }

            // The next caller starts another.
            Remove(running);
            stopping = running.HasEnded ? Task.CompletedTask : running.Stop.CancelAsync();
        }

        await stopping;
    }

    private void Remove(RunningFetch running)
    {
        if (_fetches.GetValueOrDefault(running.Fetch.Digest) == running)
        {
            _fetches.Remove(running.Fetch.Digest);
        }
    }

    /// <summary>Waits for a fetch, so that a failure that no caller waits for counts as observed.</summary>
    private static async Task ObserveAsync(Task fetch) => await fetch.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private async Task RunFetchAsync(RunningFetch running)
    {
        Digest digest = running.Fetch.Digest;
        bool interrupted = false;
        try
        {
            await running.Fetch.RunAsync(_large, _largePatient, _growingSlots, () => GoesOn(running), running.Stop.Token);
        }
        catch (Exception e)
        {
            interrupted = running.IsPatient && _store.Contents.Get(digest) is { Owned: true, Complete: false };
            if (interrupted)
            {
                LogInterrupted(digest, e.Message);
            }

            throw e as ContentUnavailableException ?? new ContentUnavailableException($"{digest} could not be fetched: {e.Message}", e);
        }
        finally
        {
            lock (_lock)
            {
                Remove(running);
                running.HasEnded = true;
                running.Stop.Dispose();
                if (interrupted)
                {
                    _interrupted[digest] = true;
                }
            }
        }
    }

    /// <summary>True when somebody waits patiently. Else no one can join the fetch any more.</summary>
    private bool GoesOn(RunningFetch running)
    {
        lock (_lock)
        {
            if (!running.IsPatient)
            {
                Remove(running);
            }

            return running.IsPatient;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "the fetch of {Digest} was interrupted: {Reason}")]
    private partial void LogInterrupted(Digest digest, string reason);

    /// <summary>A fetch and those who wait for it. The properties that change are accessed under the fetcher's lock.</summary>
    private sealed class RunningFetch(ContentFetch fetch, CancellationTokenSource stop)
    {
        public ContentFetch Fetch { get; } = fetch;

        public CancellationTokenSource Stop { get; } = stop;

        /// <summary>Completes when the content is complete.</summary>
        public Task Whole { get; set; } = Task.CompletedTask;

        /// <summary>True when somebody waits for it as long as blocks come at any rate.</summary>
        public bool IsPatient { get; set; }

        /// <summary>True when nothing is left to stop.</summary>
        public bool HasEnded { get; set; }

        /// <summary>The number of clients that wait for the first pass.</summary>
        public int Waiting { get; set; }
    }
}
