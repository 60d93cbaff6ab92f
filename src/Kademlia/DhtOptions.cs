using Ipcs.Kademlia.Routing;

namespace Ipcs.Kademlia;

/// <summary>Options of a DHT node.</summary>
public sealed class DhtOptions
{
    /// <summary>The network that the DHT spans.</summary>
    public DhtMode Mode { get; init; } = DhtMode.Lan;

    /// <summary>True: answer requests and be in the routing tables of other peers; false: be a client only.</summary>
    public bool Server { get; init; } = true;

    /// <summary>k of the specification: the number of peers in a bucket, in an answer, and that store a record.</summary>
    public int BucketSize { get; init; } = 20;

    /// <summary>
    /// The most concurrent requests of one lookup. The specification says 3; go-libp2p uses 10, which dead peers slow down less.
    /// </summary>
    public int Concurrency { get; init; } = 10;

    /// <summary>The timeout of one request, with the dial that it needs.</summary>
    public TimeSpan RequestTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The timeout of one lookup.</summary>
    public TimeSpan QueryTime { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How often each bucket is refreshed by a lookup.</summary>
    public TimeSpan RefreshInterval { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long after its last answer a peer is pinged.</summary>
    public TimeSpan CheckAfter { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long provider records and values of other peers are stored: 48 hours, as in the public network.</summary>
    public TimeSpan RecordTime { get; init; } = TimeSpan.FromHours(48);

    /// <summary>The protocol ID.</summary>
    public string Protocol => Mode == DhtMode.Lan ? "/ipfs/lan/kad/1.0.0" : "/ipfs/kad/1.0.0";
}
