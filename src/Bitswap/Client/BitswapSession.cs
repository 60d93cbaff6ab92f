using System.Buffers;
using System.Threading.Channels;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>
/// Fetches the blocks of one content, and remembers who has it. Without any peer named it asks all who are connected, and stays with those who have
/// had a block of it, unless these turn out to have a part only.
/// </summary>
public sealed class BitswapSession : IAsyncDisposable
{
    private readonly IBlockstore _store;
    private readonly WantManager _wants;
    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<PrefetchResult> _results = Channel.CreateUnbounded<PrefetchResult>(new UnboundedChannelOptions { SingleReader = true });

    internal BitswapSession(IBlockstore store, WantManager wants, PeerScope reach)
    {
        _store = store;
        _wants = wants;
        PeerScope = reach;
    }

    /// <summary>Whom it asks beside those of whom it is told. Touched only under the scheduler's lock.</summary>
    internal PeerScope PeerScope { get; set; }

    /// <summary>What is thought of whom. Touched only under the scheduler's lock.</summary>
    internal Dictionary<PeerId, PeerAvailability> Peers { get; } = [];

    /// <summary>How many blocks it has wanted. Touched only under the scheduler's lock.</summary>
    internal int Wanted { get; set; }

    /// <summary>With which of them it is next asked who else has the content. Touched only under the scheduler's lock.</summary>
    internal int NextProbe { get; set; } = 2;

    /// <summary>How many others fetch the same. Touched only under the scheduler's lock.</summary>
    internal int Leechers { get; set; }

    /// <summary>True once there are any.</summary>
    internal bool Trades => Leechers > 0;

    /// <summary>When for the first time there was nothing left whose turn at the source is this node's. Touched only under the scheduler's lock.</summary>
    internal long AssignedDoneAt { get; set; } = long.MaxValue;

    /// <summary>When it first wanted a block, in microseconds. Touched only under the scheduler's lock.</summary>
    internal long? FirstWantAt { get; set; }

    /// <summary>True once a peer has sent it a block. Touched only under the scheduler's lock.</summary>
    internal bool HasBlock { get; set; }

    /// <summary>What is wanted ahead, to be let go at the end. Touched only under the scheduler's lock.</summary>
    internal HashSet<Want> Wants { get; } = [];

    /// <summary>What has become of the blocks that were wanted ahead, as it comes: one for each time that one was.</summary>
    public ChannelReader<PrefetchResult> Results => _results.Reader;

    /// <summary>Tells what a peer has of the content; what is known to be more stays.</summary>
    public void AddPeer(PeerId peer, PeerAvailability availability) => _wants.Tell(this, peer, availability);

    /// <summary>Nobody is known to have the whole: from now on every connected peer, also one that comes later, is asked for each block whether it has it.</summary>
    public void Broadcast() => _wants.Broadcast(this);

    /// <summary>The block, from here when it is here. The caller disposes it.</summary>
    /// <param name="cid">The block.</param>
    /// <param name="urgent">True when a reader waits for just this one: it goes before all that is wanted ahead.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="BlockUnavailableException">Nobody who could be asked has sent it in time.</exception>
    public async ValueTask<IMemoryOwner<byte>> GetAsync(Cid cid, bool urgent, CancellationToken cancellationToken)
    {
        if (_store.Get(cid.Hash) is { } here)
        {
            return here;
        }

        await WantAsync(cid, urgent, cancellationToken);
        return _store.Get(cid.Hash) ?? throw Removed(cid);
    }

    /// <summary>As <see cref="GetAsync"/>, and returns the block's length alone: it is not read.</summary>
    /// <exception cref="BlockUnavailableException">Nobody who could be asked has sent it in time.</exception>
    public async ValueTask<int> EnsureAsync(Cid cid, bool urgent, CancellationToken cancellationToken)
    {
        if (_store.TryGetLength(cid.Hash, out int length))
        {
            return length;
        }

        await WantAsync(cid, urgent, cancellationToken);
        return _store.TryGetLength(cid.Hash, out length) ? length : throw Removed(cid);
    }

    /// <summary>
    /// Wants blocks ahead, in this order as far as order matters: <see cref="Results"/> tells of each once it is in the store, or has failed. They are let go when the
    /// session ends. The caller bounds how many it wants at a time.
    /// </summary>
    public void Prefetch(IReadOnlyList<Cid> cids) => _wants.Prefetch(cids, this);

    /// <summary>Lets go of everything still wanted.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _wants.End(this);
    }

    /// <summary>Tells what has become of a block. <paramref name="want"/> is null when it was here already, and else touched only under the scheduler's lock.</summary>
    internal void Report(Want? want, PrefetchResult block)
    {
        if (want is not null)
        {
            Wants.Remove(want);
        }

        _results.Writer.TryWrite(block);
    }

    private static BlockUnavailableException Removed(Cid cid) => new($"block {cid} came and was removed at once");

    private async Task WantAsync(Cid cid, bool urgent, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
        await _wants.WantAsync(cid, this, urgent, stop.Token);
    }
}
