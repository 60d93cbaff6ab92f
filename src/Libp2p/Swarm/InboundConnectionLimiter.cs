using System.Diagnostics;
using System.Net;

namespace Ipcs.Libp2p.Swarm;

/// <summary>Counts inbound handshakes and connections by remote network and refuses those over a limit. Thread-safe.</summary>
internal sealed class InboundConnectionLimiter(HostLimits limits)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, Inbound> _networks = [];

    /// <summary>Handshakes in progress.</summary>
    public int Pending { get; private set; }

    /// <summary>
    /// Counts a new handshake. False when too many handshakes are in progress, on the host or with that network, or when the network has
    /// too many connections.
    /// </summary>
    public bool TryBeginHandshake(IPAddress address)
    {
        IPAddress network = RemoteNetwork.Of(address);
        lock (_lock)
        {
            Inbound counts = _networks.GetValueOrDefault(network);
            if (Pending >= limits.MaxPendingInbound || counts.Pending >= limits.MaxPendingPerAddress
                || counts.Pending + counts.Open >= limits.MaxConnectionsPerAddress)
            {
                return false;
            }

            Pending++;
            _networks[network] = counts with { Pending = counts.Pending + 1 };
            return true;
        }
    }

    /// <summary>
    /// Ends a handshake; <paramref name="opened"/> when it has become a connection, which <see cref="CloseConnection"/> then ends.
    /// </summary>
    public void EndHandshake(IPAddress address, bool opened)
    {
        IPAddress network = RemoteNetwork.Of(address);
        lock (_lock)
        {
            Pending--;
            Inbound counts = _networks[network];
            Set(network, new Inbound(counts.Pending - 1, counts.Open + (opened ? 1 : 0)));
        }
    }

    /// <summary>Ends a connection.</summary>
    public void CloseConnection(IPAddress address)
    {
        IPAddress network = RemoteNetwork.Of(address);
        lock (_lock)
        {
            // The connection may end before its handshake is noted as ended: its network is known, but its count is one short for a moment.
            Inbound counts = _networks[network];
            Set(network, counts with { Open = counts.Open - 1 });
        }
    }

    private void Set(IPAddress network, Inbound counts)
    {
        Debug.Assert(Pending >= 0 && counts.Pending >= 0 && counts.Pending + counts.Open >= 0, "what ends has begun");
        if (counts == default)
        {
            _networks.Remove(network);
        }
        else
        {
            _networks[network] = counts;
        }
    }

    private readonly record struct Inbound(int Pending, int Open);
}
