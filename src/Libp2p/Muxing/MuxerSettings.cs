namespace Ipcs.Libp2p.Muxing;

/// <summary>What the host sets for a muxer.</summary>
internal sealed class MuxerSettings
{
    /// <summary>Called for every stream that the peer opens, on the connection's reading loop: must not block.</summary>
    public required Action<MuxedStream> OnInbound { get; init; }

    /// <summary>The clock of the muxer's time limits.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>The maximum number of streams that the peer may have open.</summary>
    public int MaxInboundStreams { get; init; } = 1024;

    /// <summary>The maximum number of streams that this host may have open.</summary>
    public int MaxOutboundStreams { get; init; } = 1024;

    /// <summary>The maximum number of bytes in the receive buffers of the connection's streams.</summary>
    public long MaxBuffered { get; init; } = 32 << 20;

    /// <summary>Wider limits on bytes in receive buffers, against which the connection counts too.</summary>
    public ResourceLimit[] Memory { get; init; } = [];

    /// <summary>
    /// The limit on streams opened by the peer, which the handler of a stream reserves and releases; wider limits may be its parents.
    /// </summary>
    public ResourceLimit Streams { get; init; } = new(long.MaxValue);
}
