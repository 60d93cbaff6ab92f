using System.Collections.Concurrent;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Client;
using Ipcs.Bitswap.Resolve;
using Ipcs.Blockstore;
using Ipcs.ContentApi;
using Ipcs.Dag;
using Ipcs.Kademlia;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using Ipcs.Node.Metrics;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.Node.Fleet;

/// <summary>
/// The door through which unmodified images come: finds which peer has the whole of a digest, and fetches it. Owns the fetches under way; those that a
/// restart or a loss of all sources has broken off go on when a peer comes.
/// </summary>
internal sealed partial class Fleet : IContentFleet, IAsyncDisposable
{
    /// <summary>The most digests asked for ahead in one go: more is no image.</summary>
    private const int MaxLookAhead = 1024;

    /// <summary>Large contents fetched at a time, the first asked for first: as many as keep every link busy, and few enough that the first is done early.</summary>
    private const int MaxLarge = 4;

    /// <summary>A content up to this size waits for no turn: manifests and configs are what everything else waits for.</summary>
    private const int SmallSize = 1 << 20;

    /// <summary>Between looks for more sources of a fetch; twice as long each time.</summary>
    private static readonly TimeSpan FirstLook = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan LastLook = TimeSpan.FromSeconds(4);

    /// <summary>How long those whom the DHT has named have to send a root that no other peer has.</summary>
    private static readonly TimeSpan RootTime = TimeSpan.FromSeconds(2);

    private readonly IHost _host;
    private readonly IStore _store;
    private readonly ContentUpdates _updates;
    private readonly BitswapService _bitswap;
    private readonly ResolveService _resolve;
    private readonly TimeSpan _budget;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly FleetIndex _index;
    private readonly FleetQuestions _questions;
    private readonly ProviderSearch _search;
    private readonly ConcurrentDictionary<Digest, Lazy<Task>> _fetches = new();
    private readonly ConcurrentDictionary<Digest, ContentFetch> _active = new();
    private readonly ConcurrentDictionary<Digest, byte> _brokenOff = new();
    private readonly ConcurrentDictionary<Digest, (long Since, Lazy<Task> Look)> _ahead = new();
    private readonly SemaphoreSlim _large = new(MaxLarge, MaxLarge);
    private readonly CancellationTokenSource _stopping = new();

    public Fleet(
        IHost host,
        IStore store,
        ContentUpdates updates,
        BitswapService bitswap,
        TimeSpan budget,
        TimeProvider time,
        ILogger logger,
        IContentRouting? routing = null)
    {
        _host = host;
        _store = store;
        _updates = updates;
        _bitswap = bitswap;
        _budget = budget;
        _time = time;
        _logger = logger;
        _index = new FleetIndex(store, time);
        _resolve = new ResolveService(host, _index, store.Blocks);
        _questions = new FleetQuestions(host, store.Blocks, bitswap, _resolve, time, logger, _stopping.Token);
        _search = new ProviderSearch(host, routing, time, logger, _stopping.Token);
        _index.FellowSeen += OnFellowSeen;
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

    /// <inheritdoc/>
    public async ValueTask<ContentRecord?> FindAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (_index.Find(digest) is { Complete: true } here)
        {
            return here with { Owned = false };
        }

        long start = _time.GetTimestamp();
        (bool answered, ContentRecord? found) = await AskConnectedAsync(digest, cancellationToken);
        if (answered && found is null && _ahead.TryGetValue(digest, out (long Since, Lazy<Task> Look) ahead))
        {
            // The DHT is being asked since a manifest named it. All that it names together cost the budget once.
            TimeSpan left = _budget - _time.GetElapsedTime(ahead.Since);
            await Task.WhenAny(ahead.Look.Value, Task.Delay(left > TimeSpan.Zero ? left : TimeSpan.Zero, _time, cancellationToken));
            cancellationToken.ThrowIfCancellationRequested();
            Task<ContentRecord?> again = _questions.Ask(digest).Decided;
            found = again.IsCompleted ? await again : null;
        }

        NodeMeter.Info(!answered ? "late" : found is null ? "absent" : "found", _time.GetElapsedTime(start));
        if (!answered)
        {
            LogTooLate(digest, _budget.TotalMilliseconds);
        }

        return found;
    }

    /// <summary>
    /// Where in the fleet a digest is: the connected peers that have it, each with its record; providers named by the DHT are connected to first.
    /// </summary>
    public async Task<IReadOnlyList<(PeerId Peer, ContentRecord Record)>> LocateAsync(Digest digest, CancellationToken cancellationToken)
    {
        await _search.SearchAsync(digest.Hash).WaitAsync(cancellationToken);
        return await _questions.LocateAsync(digest, cancellationToken);
    }

    /// <summary>
    /// As Info finds a content, and then however long it takes: with those whom the DHT names, who are connected to first. Nobody need have the whole of it:
    /// where the digest is a root's, that block is enough to know its size, and is here when this returns.
    /// </summary>
    public async Task<ContentRecord?> SearchAsync(Digest digest, CancellationToken cancellationToken)
    {
        if ((_index.Find(digest) ?? (await AskConnectedAsync(digest, cancellationToken)).Found ?? _index.Find(digest)) is { } known)
        {
            return known with { Owned = false };
        }

        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<ContentRecord?> whole = DecideAsync(digest);
        Task<ContentRecord?> root = FindRootAsync(digest, over.Token);
        try
        {
            if (await Task.WhenAny(whole.WaitAsync(cancellationToken), root) == root)
            {
                return await root ?? await whole.WaitAsync(cancellationToken);
            }

            over.CancelAfter(RootTime);
            return await whole.WaitAsync(cancellationToken) ?? await root;
        }
        finally
        {
            await over.CancelAsync();
            await root;
        }
    }

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
    public IBlockSource SourceFor(ContentRecord content)
    {
        if (content.Complete)
        {
            return new LocalBlockSource(_store.Blocks);
        }

        BitswapSession session = _bitswap.CreateSession();
        foreach ((PeerId peer, Holding holding) in _questions.Holders(content.Digest))
        {
            session.AddPeer(peer, holding);
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
    public void LookAhead(IReadOnlyList<Digest> digests)
    {
        Digest[] missing = [.. digests.Distinct().Take(MaxLookAhead).Where(d => _store.Contents.Get(d) is not { Complete: true })];
        if (missing.Length == 0)
        {
            return;
        }

        _questions.Ask(missing);
        foreach (Digest digest in missing)
        {
            // In the table before it can end; whoever has it there already is as far.
            var look = new Lazy<Task>(() => LookAheadAsync(digest));
            if (_ahead.TryAdd(digest, (_time.GetTimestamp(), look)))
            {
                _ = look.Value;
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _host.PeerIdentified -= OnIdentified;
        _index.FellowSeen -= OnFellowSeen;
        await _stopping.CancelAsync();
        foreach (Lazy<Task> fetch in _fetches.Values)
        {
            await fetch.Value.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await _resolve.DisposeAsync();
        _stopping.Dispose();
    }

    private void OnFellowSeen(Digest digest, PeerId peer)
    {
        if (_active.TryGetValue(digest, out ContentFetch? fetch))
        {
            fetch.AddSource(peer, Holding.Part);
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

        foreach (Digest digest in _brokenOff.Keys)
        {
            _ = FetchOf(digest);
        }
    }

    /// <summary>What the connected peers say, and when that is no, what those say whom the DHT names.</summary>
    private async Task<ContentRecord?> DecideAsync(Digest digest)
    {
        if (await _questions.Ask(digest).Decided is { } found)
        {
            return found;
        }

        if (!await _search.SearchAsync(digest.Hash))
        {
            return null;
        }

        await _questions.AskAgainAsync([digest]);
        return await _questions.Ask(digest).Decided;
    }

    private async Task LookAheadAsync(Digest digest)
    {
        try
        {
            await DecideAsync(digest);
        }
        finally
        {
            _ahead.TryRemove(digest, out _);
        }
    }

    /// <summary>What the connected peers say within the budget.</summary>
    private async ValueTask<(bool Answered, ContentRecord? Found)> AskConnectedAsync(Digest digest, CancellationToken cancellationToken)
    {
        Task<ContentRecord?> decided = _questions.Ask(digest).Decided;
        if (!decided.IsCompleted)
        {
            // Told by its outcome and not by an exception, which costs more than the answer; what comes later is kept for the next who asks.
            await Task.WhenAny(decided, Task.Delay(_budget, _time, cancellationToken));
            cancellationToken.ThrowIfCancellationRequested();
        }

        return decided.IsCompleted ? (true, await decided) : (false, null);
    }

    /// <summary>The record that a digest's own block gives, had by Bitswap from any peer; null when it is not to be had before <paramref name="over"/>.</summary>
    private async Task<ContentRecord?> FindRootAsync(Digest digest, CancellationToken over)
    {
        if (digest.Hash.Code != Multihash.Sha2_256)
        {
            return null;
        }

        await using BitswapSession session = _bitswap.CreateSession([]);
        try
        {
            (await session.GetAsync(Cid.V0(digest.Hash), urgent: true, over)).Dispose();
            return _index.Find(digest);
        }
        catch (Exception e) when (e is BlockUnavailableException or OperationCanceledException)
        {
            return null;
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
            _brokenOff.TryRemove(digest, out _);
            await FetchAsync(digest, _stopping.Token);
        }
        catch (Exception e)
        {
            if (_store.Contents.Get(digest) is { Owned: true, Complete: false })
            {
                _brokenOff[digest] = 0;
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
            using Hold kept = _store.Keep(record.Root);
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
    private async Task<ContentRecord> WithRootThatIsHadAsync(ContentRecord record, Hold kept, CancellationToken cancellationToken)
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
        await using var fetch = new ContentFetch(record, _store.Blocks, _bitswap.CreateSession());
        _active[record.Digest] = fetch;
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task looking = KeepLookingAsync(fetch, over.Token);
        try
        {
            ReadOnlyMemory<byte> text = await fetch.RunAsync(cancellationToken);

            // containerd may have taken, labelled, dropped or written it meanwhile: only what is there now, of this DAG, is marked.
            _updates.Change(record.Digest, current => current is { Complete: false } && current.Root == record.Root ? current with { Complete = true } : current);
            NodeMeter.Fetched(record.Size, _time.GetElapsedTime(started));
            LogFetched(record.Digest, record.Size, fetch.Sources.Count, _time.GetElapsedTime(started).TotalMilliseconds);

            // A manifest that comes from the fleet passes no COMMIT: what it names is asked for here.
            LookAhead(ManifestScan.Descriptors(text));
        }
        catch (FalseContentException e)
        {
            foreach (PeerId liar in _questions.WholeHolders(record.Digest))
            {
                await _bitswap.CutOffAsync(liar, e.Message);
            }

            _questions.Forget(record.Digest);
            throw;
        }
        catch (Exception e) when (e is BlockNotFoundException or DagFormatException)
        {
            throw new ContentUnavailableException($"{record.Digest} could not be fetched from {Describe(fetch.Sources)}: {e.Message}", e);
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
            if (!IsConnected(pause == FirstLook ? fetch.Sources : _questions.WholeHolders(fetch.Record.Digest)))
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
        foreach ((PeerId peer, Holding holding) in _questions.Holders(fetch.Record.Digest))
        {
            fetch.AddSource(peer, holding);
        }

        foreach (PeerId fellow in _index.AskersOf(fetch.Record.Digest))
        {
            fetch.AddSource(fellow, Holding.Part);
        }

        if (!IsConnected(_questions.WholeHolders(fetch.Record.Digest)))
        {
            fetch.Scatter();
        }
    }

    private bool IsConnected(ICollection<PeerId> any) => any.Count > 0 && _host.Peers.Any(p => any.Contains(p.Peer));

    private static string Describe(ICollection<PeerId> sources) => sources.Count == 0 ? "any connected peer" : string.Join(", ", sources);

    [LoggerMessage(Level = LogLevel.Information, Message = "nobody has said within {Budget} ms whether they have {Digest}")]
    private partial void LogTooLate(Digest digest, double budget);

    [LoggerMessage(Level = LogLevel.Warning, Message = "fetch of {Digest} broken off: {Reason}")]
    private partial void LogFetchFailed(Digest digest, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "fetched {Digest}: {Bytes} bytes from {Peers} peers in {Milliseconds:F0} ms")]
    private partial void LogFetched(Digest digest, long bytes, int peers, double milliseconds);
}
