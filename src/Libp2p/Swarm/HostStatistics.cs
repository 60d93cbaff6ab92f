namespace Ipcs.Libp2p.Swarm;

/// <summary>What a host holds, as of the call.</summary>
/// <param name="Connections">Open connections.</param>
/// <param name="PendingInbound">Handshakes under way from others.</param>
/// <param name="Streams">Open streams, both ways.</param>
/// <param name="BufferedBytes">Bytes in receive buffers.</param>
/// <param name="Tasks">Background tasks: listeners, connections, handlers of streams, configured peers.</param>
/// <param name="BytesReceived">Bytes that came from sockets since the start.</param>
/// <param name="BytesSent">Bytes that went to sockets since the start.</param>
/// <param name="FailedDials">Addresses that were dialled since the start and gave no connection.</param>
/// <param name="RefusedHandshakes">Connections from others that a limit has turned away since the start.</param>
public readonly record struct HostStatistics(
    int Connections, int PendingInbound, int Streams, long BufferedBytes, int Tasks, long BytesReceived, long BytesSent, long FailedDials, long RefusedHandshakes);
