namespace Ipcs.Libp2p.Swarm;

/// <summary>What a host counts from its start on. Thread-safe.</summary>
internal sealed class HostCounters
{
    private long _received;
    private long _sent;
    private long _failedDials;
    private long _refusedHandshakes;

    /// <summary>Bytes that came from sockets.</summary>
    public long Received => Interlocked.Read(ref _received);

    /// <summary>Bytes that went to sockets.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>Addresses that were dialled and gave no connection.</summary>
    public long FailedDials => Interlocked.Read(ref _failedDials);

    /// <summary>Connections from others that a limit has turned away.</summary>
    public long RefusedHandshakes => Interlocked.Read(ref _refusedHandshakes);

    public void AddReceived(int bytes) => Interlocked.Add(ref _received, bytes);

    public void AddSent(int bytes) => Interlocked.Add(ref _sent, bytes);

    public void AddFailedDial() => Interlocked.Increment(ref _failedDials);

    public void AddRefusedHandshake() => Interlocked.Increment(ref _refusedHandshakes);
}
