namespace Ipcs.Kademlia;

/// <summary>Which network a DHT spans.</summary>
public enum DhtMode
{
    /// <summary>A network of one's own, <c>/ipfs/lan/kad/1.0.0</c>: private addresses are told and taken.</summary>
    Lan,

    /// <summary>The public network, <c>/ipfs/kad/1.0.0</c>: only public addresses are.</summary>
    Wan,
}

/// <summary>What a DHT runs with.</summary>
public sealed class DhtOptions
{
    /// <summary>The network.</summary>
    public DhtMode Mode { get; init; } = DhtMode.Lan;

    /// <summary>True to answer others and be in their tables; false to only ask.</summary>
    public bool Server { get; init; } = true;

    /// <summary>k of the specification: peers in a bucket, in an answer, and that keep a record.</summary>
    public int BucketSize { get; init; } = 20;

    /// <summary>Requests of one lookup that are under way at once. The specification says 3; the public network uses 10, which dead peers slow down less.</summary>
    public int Concurrency { get; init; } = 10;

    /// <summary>How long one peer may take to be dialled and to answer.</summary>
    public TimeSpan RequestTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long one lookup may take in all.</summary>
    public TimeSpan QueryTime { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How often each bucket is looked into.</summary>
    public TimeSpan RefreshInterval { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a peer may be silent before it is asked whether it lives.</summary>
    public TimeSpan CheckAfter { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long others' provider records and values are kept: the public network's 48 hours.</summary>
    public TimeSpan RecordTime { get; init; } = TimeSpan.FromHours(48);

    /// <summary>The name of the protocol on the wire.</summary>
    public string Protocol => Mode == DhtMode.Lan ? "/ipfs/lan/kad/1.0.0" : "/ipfs/kad/1.0.0";
}
