using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Routing;

/// <summary>A peer of the routing table. Touched only by its <see cref="RoutingTable"/>.</summary>
internal sealed class TableEntry(PeerId peer, KadKey key)
{
    /// <summary>Who it is.</summary>
    public PeerId Peer { get; } = peer;

    /// <summary>Where it lies in the key space.</summary>
    public KadKey Key { get; } = key;

    /// <summary>Where it may be dialled.</summary>
    public IReadOnlyList<Multiaddr> Addresses { get; set; } = [];

    /// <summary>When it last answered us, or connected.</summary>
    public DateTimeOffset LastSeen { get; set; }

    /// <summary>How often it has not answered since.</summary>
    public int Failures { get; set; }
}
