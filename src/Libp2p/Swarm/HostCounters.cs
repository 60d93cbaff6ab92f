namespace Ipcs.Libp2p.Swarm;

/// <summary>Counts a host's failed and refused connections since its start. Thread-safe.</summary>
internal sealed class HostCounters
{
    private long _failedDials;
    private long _refusedHandshakes;
    private long _closedForRoom;

    /// <summary>Dials that ended without a connection.</summary>
    public long FailedDials => Interlocked.Read(ref _failedDials);

    /// <summary>Inbound connections refused by a limit.</summary>
    public long RefusedHandshakes => Interlocked.Read(ref _refusedHandshakes);

    /// <summary>Connections closed to make room for others.</summary>
    public long ClosedForRoom => Interlocked.Read(ref _closedForRoom);

    public void AddFailedDial() => Interlocked.Increment(ref _failedDials);

    public void AddRefusedHandshake() => Interlocked.Increment(ref _refusedHandshakes);

    public void AddClosedForRoom() => Interlocked.Increment(ref _closedForRoom);
}
