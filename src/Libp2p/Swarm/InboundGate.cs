using System.Net;

namespace Ipcs.Libp2p.Swarm;

/// <summary>Counts what comes from which address, and says when that is too much. Thread-safe.</summary>
internal sealed class InboundGate(HostLimits limits)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, Count> _addresses = [];

    /// <summary>Handshakes under way.</summary>
    public int Pending { get; private set; }

    /// <summary>Counts a handshake; false when there are too many, in all or from that address, or too many connections from it.</summary>
    public bool TryBegin(IPAddress address)
    {
        IPAddress key = RemoteNetwork.Of(address);
        lock (_lock)
        {
            Count count = _addresses.GetValueOrDefault(key);
            if (Pending >= limits.MaxPendingInbound || count.Pending >= limits.MaxPendingPerAddress
                || count.Pending + count.Open >= limits.MaxConnectionsPerAddress)
            {
                return false;
            }

            Pending++;
            _addresses[key] = count with { Pending = count.Pending + 1 };
            return true;
        }
    }

    /// <summary>The handshake is over; with <paramref name="opened"/> it has become a connection.</summary>
    public void End(IPAddress address, bool opened)
    {
        IPAddress key = RemoteNetwork.Of(address);
        lock (_lock)
        {
            Pending--;
            Count count = _addresses[key];
            Set(key, new Count(count.Pending - 1, count.Open + (opened ? 1 : 0)));
        }
    }

    /// <summary>A connection that had become one is gone.</summary>
    public void Close(IPAddress address)
    {
        IPAddress key = RemoteNetwork.Of(address);
        lock (_lock)
        {
            Count count = _addresses[key];
            Set(key, count with { Open = count.Open - 1 });
        }
    }

    private void Set(IPAddress key, Count count)
    {
        if (count == default)
        {
            _addresses.Remove(key);
        }
        else
        {
            _addresses[key] = count;
        }
    }

    private readonly record struct Count(int Pending, int Open);
}
