using System.Buffers;
using System.Diagnostics;
using System.Threading.Channels;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>
/// Fetches the blocks of one content, and records which peers have it. A session without named peers asks every connected peer; a peer that
/// has sent a block is assumed to have the others, until it answers DONT_HAVE.
/// </summary>
public sealed class BitswapSession : IAsyncDisposable
{
    /// <summary>
    /// The maximum number of prefetched blocks whose results have not been read: 1 GiB of blocks of 256 KiB, some 400 KB of memory. The
    /// results are written under the scheduler's lock and cannot wait for room, so <see cref="Prefetch"/> throws when there is none.
    /// </summary>
    public const int MaxPrefetch = 4096;

    private readonly IBlockstore _store;
    private readonly WantManager _wants;
    private readonly BlockSharing? _sharing;
    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<PrefetchResult> _results =
        Channel.CreateBounded<PrefetchResult>(new BoundedChannelOptions(MaxPrefetch) { SingleReader = true });

    private long _prefetched;
    private long _reported;
    private Activity? _span;

    internal BitswapSession(IBlockstore store, WantManager wants, PeerScope scope, BlockSharing? sharing = null)
    {
        _sharing = sharing;
        _store = store;
        _wants = wants;
        PeerScope = scope;
    }

    // The internal properties are accessed only under the scheduler's lock.

    /// <summary>Which peers are asked beside the named ones.</summary>
    internal PeerScope PeerScope { get; set; }

    /// <summary>
    /// How long, in microseconds, its peers may send less than a fair rate before its blocks fail; null for
    /// <see cref="BitswapOptions.NoPeerTime"/> without any block.
    /// </summary>
    internal long? Patience { get; init; }

    /// <summary>The peers that sent less than a fair rate of the blocks that were requested from them.</summary>
    internal HashSet<PeerId> Unfair { get; } = [];

    /// <summary>What each known peer has of the content.</summary>
    internal Dictionary<PeerId, PeerAvailability> Peers { get; } = [];

    /// <summary>The number of blocks wanted so far.</summary>
    internal int Wanted { get; set; }

    /// <summary>The number of wanted blocks at which further peers are next asked whether they have the content.</summary>
    internal int NextProbe { get; set; } = 2;

    /// <summary>The number of known peers that are fetching the same content.</summary>
    internal int Leechers { get; set; }

    /// <summary>True when other peers are fetching the same content.</summary>
    internal bool Trades => Leechers > 0;

    /// <summary>When for the first time every block assigned to this node was requested, in microseconds.</summary>
    internal long AssignedDoneAt { get; set; } = long.MaxValue;

    /// <summary>When the first block was wanted, in microseconds.</summary>
    internal long? FirstWantAt { get; set; }

    /// <summary>True once a peer has sent a block.</summary>
    internal bool HasBlock { get; set; }

    /// <summary>The wants of prefetched blocks, which end with the session.</summary>
    internal HashSet<Want> Wants { get; } = [];

    /// <summary>The results of <see cref="Prefetch"/>, one for each block passed to it, in the order in which they are known.</summary>
    public ChannelReader<PrefetchResult> Results => _results.Reader;

    /// <summary>Records what a peer has of the content. Less than what is known already is ignored.</summary>
    public void AddPeer(PeerId peer, PeerAvailability availability) => _wants.SetAvailability(this, peer, availability);

    /// <summary>
    /// For a content of which no connected peer has all blocks: asks every connected peer, also those that connect later, for each block
    /// whether it has it.
    /// </summary>
    public void Broadcast() => _wants.Broadcast(this);

    /// <summary>
    /// The peers that sent less than a fair rate (64 KiB/s) of the blocks that were requested from them for this session.
    /// </summary>
    public PeerId[] UnfairPeers() => _wants.UnfairPeers(this);

    /// <summary>Returns a block, from the store or else from a peer. The caller disposes it.</summary>
    /// <param name="cid">The block.</param>
    /// <param name="urgent">True when a reader waits for this block: it is requested before all prefetched ones.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="BlockUnavailableException">No peer has sent the block in time.</exception>
    public async ValueTask<IMemoryOwner<byte>> GetAsync(Cid cid, bool urgent, CancellationToken cancellationToken)
    {
        if (_store.Get(cid.Hash) is { } stored)
        {
            return stored;
        }

        await WantAsync(cid, urgent, cancellationToken);
        return _store.Get(cid.Hash) ?? throw Removed(cid);
    }

    /// <summary>
    /// Wants blocks, in this order as far as order matters, until the session ends. <see cref="Results"/> has one entry for each once it is
    /// stored or has failed.
    /// </summary>
    /// <exception cref="InvalidOperationException">More than <see cref="MaxPrefetch"/> results would be unread.</exception>
    public void Prefetch(IReadOnlyList<Cid> cids)
    {
        // The order of these reads makes the count too high, never too low, while a result is being reported.
        long reported = Interlocked.Read(ref _reported);
        long unread = Interlocked.Read(ref _prefetched) - reported + Results.Count;
        if (unread + cids.Count > MaxPrefetch)
        {
            throw new InvalidOperationException($"{unread} prefetched blocks are not read; {cids.Count} more exceed {MaxPrefetch}");
        }

        Interlocked.Add(ref _prefetched, cids.Count);
        StartSpan(cids.Count);
        _wants.Prefetch(cids, this);
    }

    /// <summary>Cancels all wants of the session. No one may be reading the results any more.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _wants.End(this);
        while (_results.Reader.TryRead(out PrefetchResult unread))
        {
            unread.Block?.Dispose();
        }

        Interlocked.Exchange(ref _span, null)?.Dispose();
    }

    /// <summary>Writes the result of a prefetched block.</summary>
    /// <param name="want">Its want, accessed under the scheduler's lock; null when the block was stored already.</param>
    /// <param name="cid">The CID that was passed to <see cref="Prefetch"/>.</param>
    /// <param name="isLeaf">True when the block is known to have no links.</param>
    /// <param name="block">The block, when its bytes are still in memory.</param>
    /// <param name="failure">Why it could not be fetched.</param>
    internal void Report(Want? want, Cid cid, bool isLeaf, ReceivedBlock? block = null, BlockUnavailableException? failure = null)
    {
        if (want is not null)
        {
            Wants.Remove(want);
        }

        var result = new PrefetchResult(cid, isLeaf, failure, block is null ? null : _sharing?.TryShare(block));
        bool written = _results.Writer.TryWrite(result);
        Debug.Assert(written, "Prefetch keeps the number of unread results within the channel's bound");
        if (Interlocked.Increment(ref _reported) == Interlocked.Read(ref _prefetched))
        {
            Interlocked.Exchange(ref _span, null)?.Dispose();
        }
    }

    private static BlockUnavailableException Removed(Cid cid) => new($"block {cid} was removed right after it arrived");

    /// <summary>Starts the span <c>want</c>, which ends when no prefetched block is outstanding, unless it runs already.</summary>
    private void StartSpan(int blocks)
    {
        if (!IpcsActivity.Source.HasListeners() || Volatile.Read(ref _span) is not null)
        {
            return;
        }

        Activity? caller = Activity.Current;
        Activity? span = IpcsActivity.Source.StartActivity("want")?.SetTag("blocks", blocks);
        Activity.Current = caller;
        Interlocked.Exchange(ref _span, span)?.Dispose();
    }

    private async Task WantAsync(Cid cid, bool urgent, CancellationToken cancellationToken)
    {
        using Activity? span = IpcsActivity.Source.StartActivity("want");
        span?.SetTag("block", cid.ToString());
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
        await _wants.WantAsync(cid, this, urgent, stop.Token);
    }
}
