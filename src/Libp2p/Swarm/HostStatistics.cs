namespace Ipcs.Libp2p.Swarm;

/// <summary>A host's connections, streams and counters at the time of the call.</summary>
/// <param name="Connections">Open connections.</param>
/// <param name="PendingInbound">Inbound handshakes in progress.</param>
/// <param name="Streams">Open streams, inbound and outbound.</param>
/// <param name="BufferedBytes">Bytes in receive buffers.</param>
/// <param name="Tasks">Background tasks: of listeners, connections, dials, stream handlers and configured peers.</param>
/// <param name="BytesReceived">Bytes read from sockets since the start.</param>
/// <param name="BytesSent">Bytes written to sockets since the start.</param>
/// <param name="FailedDials">Dials since the start that ended without a connection.</param>
/// <param name="RefusedHandshakes">Inbound connections refused by a limit since the start.</param>
/// <param name="ClosedForRoom">Connections closed to make room for others since the start.</param>
public readonly record struct HostStatistics(
    int Connections, int PendingInbound, int Streams, long BufferedBytes, int Tasks,
    long BytesReceived, long BytesSent, long FailedDials, long RefusedHandshakes, long ClosedForRoom);
