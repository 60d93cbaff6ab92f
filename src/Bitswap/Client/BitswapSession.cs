using System.Buffers;
using System.Collections.Concurrent;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>Fetches the blocks of one content from the peers that are thought to have it. Many gets at once is how it goes fast.</summary>
public sealed class BitswapSession : IAsyncDisposable
{
    private readonly IBlockstore _store;
    private readonly WantManager _wants;
    private readonly ConcurrentDictionary<PeerId, byte> _peers = new();
    private readonly CancellationTokenSource _stop = new();

    internal BitswapSession(IBlockstore store, WantManager wants, IEnumerable<PeerId> peers)
    {
        _store = store;
        _wants = wants;
        foreach (PeerId peer in peers)
        {
            _peers.TryAdd(peer, 0);
        }

        TakesAnyPeer = _peers.IsEmpty;
    }

    /// <summary>True when any connected peer may be asked.</summary>
    internal bool TakesAnyPeer { get; }

    /// <summary>One more peer that has the content.</summary>
    public void AddPeer(PeerId peer) => _peers.TryAdd(peer, 0);

    /// <summary>The block, from here when it is here. The caller disposes it.</summary>
    /// <exception cref="BlockUnavailableException">Nobody who could be asked has sent it in time.</exception>
    public async ValueTask<IMemoryOwner<byte>> GetAsync(Cid cid, CancellationToken cancellationToken)
    {
        if (_store.Get(cid.Hash) is { } here)
        {
            return here;
        }

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
        await _wants.WantAsync(cid, this, stop.Token);
        return _store.Get(cid.Hash) ?? throw new BlockUnavailableException($"block {cid} came and was removed at once");
    }

    /// <summary>Lets go of everything still wanted.</summary>
    public async ValueTask DisposeAsync() => await _stop.CancelAsync();

    /// <summary>True when the session was told of this peer.</summary>
    internal bool Knows(PeerId peer) => _peers.ContainsKey(peer);
}
