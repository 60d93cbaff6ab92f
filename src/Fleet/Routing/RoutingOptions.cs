using Ipcs.Kademlia;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Routing;

/// <summary>Options of <see cref="NodeRouting"/>.</summary>
public sealed record RoutingOptions
{
    /// <summary>The options of the DHT node; null when the DHT is disabled.</summary>
    public DhtOptions? Dht { get; init; }

    /// <summary>Which keys are announced in the DHT.</summary>
    public ProvideStrategy Provide { get; init; } = ProvideStrategy.Roots;

    /// <summary>The time between two announcements of a key.</summary>
    public TimeSpan ProvideInterval { get; init; } = TimeSpan.FromHours(22);

    /// <summary>True to discover peers of the local network by multicast DNS.</summary>
    public bool Mdns { get; init; }

    /// <summary>Peers to stay connected to; DNS names are resolved periodically.</summary>
    public IReadOnlyList<Multiaddr> Peers { get; init; } = [];
}
