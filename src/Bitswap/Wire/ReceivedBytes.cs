namespace Ipcs.Bitswap.Wire;

/// <summary>The bytes of Bitswap messages received from one peer. Thread-safe.</summary>
internal sealed class ReceivedBytes
{
    private long _count;

    /// <summary>The bytes so far.</summary>
    public long Count => Interlocked.Read(ref _count);

    /// <summary>Counts received bytes.</summary>
    public void Add(int bytes) => Interlocked.Add(ref _count, bytes);
}
