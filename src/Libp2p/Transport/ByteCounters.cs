namespace Ipcs.Libp2p.Transport;

/// <summary>Counts the bytes that pass through sockets. Thread-safe.</summary>
internal sealed class ByteCounters
{
    private long _received;
    private long _sent;

    /// <summary>Bytes read from sockets.</summary>
    public long Received => Interlocked.Read(ref _received);

    /// <summary>Bytes written to sockets.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    public void AddReceived(int bytes) => Interlocked.Add(ref _received, bytes);

    public void AddSent(int bytes) => Interlocked.Add(ref _sent, bytes);
}
