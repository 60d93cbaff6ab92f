using Ipcs.Kademlia;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Routing;

/// <summary>How this node finds peers and contents beyond its connections.</summary>
public sealed record RoutingOptions
{
    /// <summary>The DHT's options; null when it is off.</summary>
    public DhtOptions? Dht { get; init; }

    /// <summary>Which keys are announced to the DHT.</summary>
    public ProvideStrategy Provide { get; init; } = ProvideStrategy.Roots;

    /// <summary>How long after an announcement of a key the next one is due.</summary>
    public TimeSpan ProvideInterval { get; init; } = TimeSpan.FromHours(22);

    /// <summary>Whether peers of the local network are found by multicast DNS.</summary>
    public bool Mdns { get; init; }

    /// <summary>Peers to stay connected to; those that are DNS names are resolved again and again.</summary>
    public IReadOnlyList<Multiaddr> Peers { get; init; } = [];
}
