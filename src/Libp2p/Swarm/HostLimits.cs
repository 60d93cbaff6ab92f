namespace Ipcs.Libp2p.Swarm;

/// <summary>
/// Limits on the resources that peers can use. The defaults suit a fleet of a thousand hosts behind few addresses: all may connect, also
/// through one address, and no single host can exhaust what the others need. Over a limit a connection is closed or a stream reset.
/// </summary>
public sealed record HostLimits
{
    /// <summary>Connections of the host. An idle one takes under 40 KB, all together 80 MB.</summary>
    public int MaxConnections { get; init; } = 2048;

    /// <summary>Connections to one peer: one, and some more while simultaneous dials or a replaced connection are being resolved.</summary>
    public int MaxConnectionsPerPeer { get; init; } = 8;

    /// <summary>Connections from one address (IPv6: one /64 network): a whole fleet may share one.</summary>
    public int MaxConnectionsPerAddress { get; init; } = 1024;

    /// <summary>Inbound handshakes in progress: each can occupy a socket until the handshake's time limit.</summary>
    public int MaxPendingInbound { get; init; } = 512;

    /// <summary>Inbound handshakes in progress from one address, so that one address can't shut out the others.</summary>
    public int MaxPendingPerAddress { get; init; } = 256;

    /// <summary>Dials in progress; further dials wait.</summary>
    public int MaxPendingOutbound { get; init; } = 64;

    /// <summary>Streams that the peer may have open on one connection: only many such peers can reach the limit of the host.</summary>
    public int MaxInboundStreamsPerConnection { get; init; } = 512;

    /// <summary>Streams that this host may have open on one connection.</summary>
    public int MaxOutboundStreamsPerConnection { get; init; } = 1024;

    /// <summary>Streams that one peer may have open over all its connections: as many as on two connections.</summary>
    public int MaxInboundStreamsPerPeer { get; init; } = 1024;

    /// <summary>
    /// Streams that all peers of one address may have open: three quarters of the host's, so that the rest is left for other addresses.
    /// </summary>
    public int MaxInboundStreamsPerAddress { get; init; } = 24_576;

    /// <summary>Streams of one protocol that one peer may have open.</summary>
    public int MaxInboundStreamsPerPeerAndProtocol { get; init; } = 256;

    /// <summary>Streams of one protocol that all peers together may have open.</summary>
    public int MaxInboundStreamsPerProtocol { get; init; } = 8192;

    /// <summary>Streams that all peers together may have open.</summary>
    public int MaxInboundStreams { get; init; } = 32_768;

    /// <summary>Bytes in the receive buffers of one connection.</summary>
    public long MaxBufferedPerConnection { get; init; } = 32 << 20;

    /// <summary>Bytes in the receive buffers of one peer: as many as of two connections.</summary>
    public long MaxBufferedPerPeer { get; init; } = 64 << 20;

    /// <summary>
    /// Bytes in the receive buffers of all connections with one address: three quarters of the host's, so that the rest is left for others.
    /// </summary>
    public long MaxBufferedPerAddress { get; init; } = 192 << 20;

    /// <summary>
    /// Bytes in the receive buffers of one protocol's streams: three quarters of the host's, so that one protocol can't stop the others.
    /// </summary>
    public long MaxBufferedPerProtocol { get; init; } = 192 << 20;

    /// <summary>Bytes in the receive buffers of all connections.</summary>
    public long MaxBuffered { get; init; } = 256 << 20;
}
