namespace Ipcs.Libp2p.Swarm;

/// <summary>
/// What peers may make a host hold. The defaults suit a fleet of a thousand hosts behind few addresses: all may connect, also through one
/// address, and no single one can use up what the others need. Past a bound: a closed connection or a reset stream.
/// </summary>
public sealed record HostLimits
{
    /// <summary>Connections in all: at under 40 KB when idle, 80 MB.</summary>
    public int MaxConnections { get; init; } = 2048;

    /// <summary>Connections to one peer: one, and some more while a simultaneous dial or a replaced connection is settled.</summary>
    public int MaxConnectionsPerPeer { get; init; } = 8;

    /// <summary>Connections from one address (IPv6: one /64 network): a whole fleet may come through one.</summary>
    public int MaxConnectionsPerAddress { get; init; } = 1024;

    /// <summary>Handshakes under way from others: each may hold a socket for the handshake's time and give nothing.</summary>
    public int MaxPendingInbound { get; init; } = 512;

    /// <summary>Handshakes under way from one address, so that one can't keep the others out.</summary>
    public int MaxPendingPerAddress { get; init; } = 256;

    /// <summary>Dials under way; more wait.</summary>
    public int MaxPendingOutbound { get; init; } = 64;

    /// <summary>Streams that one connection's peer may have open to us: it takes many such peers to use up what there is in all.</summary>
    public int MaxInboundStreamsPerConnection { get; init; } = 512;

    /// <summary>Streams that we may have open on one connection.</summary>
    public int MaxOutboundStreamsPerConnection { get; init; } = 1024;

    /// <summary>Streams that one peer may have open to us over all its connections: those of two.</summary>
    public int MaxInboundStreamsPerPeer { get; init; } = 1024;

    /// <summary>Streams that all peers of one address may have open to us: three quarters, so that the other addresses keep the rest.</summary>
    public int MaxInboundStreamsPerAddress { get; init; } = 24_576;

    /// <summary>Streams of one protocol that one peer may have open to us.</summary>
    public int MaxInboundStreamsPerPeerAndProtocol { get; init; } = 256;

    /// <summary>Streams of one protocol that all peers together may have open to us.</summary>
    public int MaxInboundStreamsPerProtocol { get; init; } = 8192;

    /// <summary>Streams that all peers together may have open to us.</summary>
    public int MaxInboundStreams { get; init; } = 32_768;

    /// <summary>Bytes that may wait in one connection's receive buffers.</summary>
    public long MaxBufferedPerConnection { get; init; } = 32 << 20;

    /// <summary>Bytes that may wait in the receive buffers of one peer's connections: those of two.</summary>
    public long MaxBufferedPerPeer { get; init; } = 64 << 20;

    /// <summary>Bytes that may wait in the receive buffers of all connections with one address: three quarters, so that the others keep the rest.</summary>
    public long MaxBufferedPerAddress { get; init; } = 192 << 20;

    /// <summary>Bytes of one protocol's streams that may wait in receive buffers: three quarters, so that one protocol can't stop the others.</summary>
    public long MaxBufferedPerProtocol { get; init; } = 192 << 20;

    /// <summary>Bytes that may wait in the receive buffers of all connections.</summary>
    public long MaxBuffered { get; init; } = 256 << 20;
}
