namespace Ipcs.Libp2p.Muxing;

/// <summary>
/// How much of something may be held by one holder and, through the parents, by all those together that it is one of: bytes in receive buffers,
/// which the connection's reader takes when it rents a buffer and whoever has read that buffer gives back, and streams. Thread-safe.
/// </summary>
internal sealed class Budget(long limit, params Budget[] parents)
{
    private long _used;

    /// <summary>How much is taken now.</summary>
    public long Used => Interlocked.Read(ref _used);

    /// <summary>Takes some; false, with nothing taken, when there is not as much.</summary>
    public bool TryTake(int amount)
    {
        if (Interlocked.Add(ref _used, amount) > limit)
        {
            Interlocked.Add(ref _used, -amount);
            return false;
        }

        for (int i = 0; i < parents.Length; i++)
        {
            if (!parents[i].TryTake(amount))
            {
                while (--i >= 0)
                {
                    parents[i].Return(amount);
                }

                Interlocked.Add(ref _used, -amount);
                return false;
            }
        }

        return true;
    }

    /// <summary>Gives some back.</summary>
    public void Return(int amount)
    {
        Interlocked.Add(ref _used, -amount);
        foreach (Budget parent in parents)
        {
            parent.Return(amount);
        }
    }
}
