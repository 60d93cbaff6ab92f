using System.Diagnostics;

namespace Ipcs.Libp2p.Muxing;

/// <summary>
/// A counter with a limit, for bytes in receive buffers or for streams. Reserving also reserves from every parent, so that one connection's
/// use counts against its peer, its network and the host. Thread-safe.
/// </summary>
internal sealed class ResourceLimit(long limit, params ResourceLimit[] parents)
{
    private long _used;

    /// <summary>The amount reserved now.</summary>
    public long Used => Interlocked.Read(ref _used);

    /// <summary>
    /// Reserves an amount here and in all parents; false, with nothing reserved, when one of the limits would be exceeded.
    /// </summary>
    public bool TryReserve(int amount)
    {
        Debug.Assert(amount >= 0, "a reservation is never negative");
        if (Interlocked.Add(ref _used, amount) > limit)
        {
            Interlocked.Add(ref _used, -amount);
            return false;
        }

        for (int i = 0; i < parents.Length; i++)
        {
            if (!parents[i].TryReserve(amount))
            {
                while (--i >= 0)
                {
                    parents[i].Release(amount);
                }

                Interlocked.Add(ref _used, -amount);
                return false;
            }
        }

        return true;
    }

    /// <summary>Releases an amount that was reserved, here and in all parents.</summary>
    public void Release(int amount)
    {
        long left = Interlocked.Add(ref _used, -amount);
        Debug.Assert(left >= 0, "more was released than reserved");
        foreach (ResourceLimit parent in parents)
        {
            parent.Release(amount);
        }
    }
}
