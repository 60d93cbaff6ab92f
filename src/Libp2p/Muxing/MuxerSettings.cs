namespace Ipcs.Libp2p.Muxing;

/// <summary>What a muxer is told by the host.</summary>
internal sealed class MuxerSettings
{
    /// <summary>Called for every stream that the peer opens, by the connection's reader: must not block.</summary>
    public required Action<MuxedStream> OnInbound { get; init; }

    /// <summary>Streams that the peer may have open to us.</summary>
    public int MaxInboundStreams { get; init; } = 1024;

    /// <summary>Streams that we may have open to the peer.</summary>
    public int MaxOutboundStreams { get; init; } = 1024;

    /// <summary>Bytes of the connection's streams that may wait to be read.</summary>
    public long MaxBuffered { get; init; } = 32 << 20;

    /// <summary>Those bytes of others of which the connection is a part.</summary>
    public ResourceLimit[] Memory { get; init; } = [];

    /// <summary>Streams that the peer has open to us, and others with it; taken and given back by whoever handles them.</summary>
    public ResourceLimit Streams { get; init; } = new(long.MaxValue);
}
