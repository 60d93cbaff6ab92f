using Ipcs.Blockstore;
using Ipcs.Kademlia;

namespace Ipcs.Fleet.Routing;

/// <summary>Keeps the peers of the routing table in the store. When the store's table is full, newer peers replace older ones.</summary>
internal sealed class StoredPeers(IPeerStore store) : IKnownPeers
{
    /// <inheritdoc/>
    public IReadOnlyList<KnownPeer> Load() =>
    [
        .. store.Enumerate()
            .Where(r => r.Addresses.Count > 0)
            .OrderByDescending(r => r.SeenAt)
            .Select(r => new KnownPeer(r.Peer, r.Addresses, r.SeenAt)),
    ];

    /// <inheritdoc/>
    public void Save(IReadOnlyList<KnownPeer> peers)
    {
        foreach (KnownPeer peer in peers)
        {
            store.Put(new PeerRecord { Peer = peer.Peer, Addresses = peer.Addresses, SeenAt = peer.LastSeen });
        }
    }
}
