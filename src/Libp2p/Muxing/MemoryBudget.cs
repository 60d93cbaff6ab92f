namespace Ipcs.Libp2p.Muxing;

/// <summary>
/// How many bytes may lie in receive buffers: of one connection, and of all through the parent. Taken by the connection's reader when it
/// rents a buffer, given back when that buffer has been read. Thread-safe.
/// </summary>
internal sealed class MemoryBudget(long limit, MemoryBudget? parent = null)
{
    private long _used;

    /// <summary>Bytes taken now.</summary>
    public long Used => Interlocked.Read(ref _used);

    /// <summary>Takes bytes; false when there are not as many, and then the stream that wants them is to be reset.</summary>
    public bool TryTake(int bytes)
    {
        if (Interlocked.Add(ref _used, bytes) > limit || parent?.TryTake(bytes) == false)
        {
            Interlocked.Add(ref _used, -bytes);
            return false;
        }

        return true;
    }

    /// <summary>Gives bytes back.</summary>
    public void Return(int bytes)
    {
        Interlocked.Add(ref _used, -bytes);
        parent?.Return(bytes);
    }
}
