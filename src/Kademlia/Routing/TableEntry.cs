using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Routing;

/// <summary>A peer of the routing table, changed only by its <see cref="RoutingTable"/>.</summary>
internal sealed class TableEntry(PeerId peer, KadKey key)
{
    /// <summary>The peer.</summary>
    public PeerId Peer { get; } = peer;

    /// <summary>Its point of the key space.</summary>
    public KadKey Key { get; } = key;

    /// <summary>The addresses at which it can be dialled.</summary>
    public IReadOnlyList<Multiaddr> Addresses { get; set; } = [];

    /// <summary>When it last answered or connected.</summary>
    public DateTimeOffset LastSeen { get; set; }

    /// <summary>The number of requests since then that it did not answer.</summary>
    public int Failures { get; set; }
}
