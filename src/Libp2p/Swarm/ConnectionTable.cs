using System.Diagnostics;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>
/// The open connections. Those of one peer are in order of preference: streams are opened on the first, the others are closed once they are
/// idle. Both sides must prefer the same connection. Of two that were made simultaneously, one from each side, that is the one dialled by
/// the smaller peer id; else it is the newer one, because a peer does not dial while its connection works. Thread-safe.
/// </summary>
internal sealed class ConnectionTable(PeerId local, HostLimits limits, TimeProvider time)
{
    /// <summary>Two connections made within this time count as simultaneous: a handshake may take as long.</summary>
    private static readonly TimeSpan Simultaneous = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, List<Connection>> _peers = [];
    private int _count;

    /// <summary>The number of connections.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>All connections at the time of the call.</summary>
    public IReadOnlyList<Connection> All
    {
        get
        {
            lock (_lock)
            {
                return [.. _peers.Values.SelectMany(c => c)];
            }
        }
    }

    /// <summary>The preferred connection of every peer at the time of the call.</summary>
    public IReadOnlyList<Connection> Preferred
    {
        get
        {
            lock (_lock)
            {
                return [.. _peers.Values.Select(c => c[0])];
            }
        }
    }

    /// <summary>The preferred connection to a peer; null when there is none.</summary>
    public Connection? Find(PeerId peer)
    {
        lock (_lock)
        {
            return _peers.TryGetValue(peer, out List<Connection>? list) ? list[0] : null;
        }
    }

    /// <summary>A preferred connection that was dialled at that address and is open; null when there is none.</summary>
    public Connection? FindDialled(Multiaddr address)
    {
        lock (_lock)
        {
            return _peers.Values.Select(c => c[0])
                .FirstOrDefault(c => !c.Inbound && c.Info.Address.Equals(address) && !c.Muxer.Closed.IsCancellationRequested);
        }
    }

    /// <summary>All connections to a peer.</summary>
    public Connection[] FindAll(PeerId peer)
    {
        lock (_lock)
        {
            return _peers.TryGetValue(peer, out List<Connection>? list) ? [.. list] : [];
        }
    }

    /// <summary>
    /// Adds a connection, and returns the connections to the same peer that are redundant now; null, and nothing is added, when there are
    /// too many.
    /// </summary>
    public Connection[]? TryAdd(Connection connection)
    {
        lock (_lock)
        {
            List<Connection> list = _peers.GetValueOrDefault(connection.Peer) ?? [];
            if (_count >= limits.MaxConnections || list.Count >= limits.MaxConnectionsPerPeer)
            {
                return null;
            }

            if (list.Count > 0)
            {
                // What is known about the peer holds for every connection to it.
                PeerInfo known = list[0].Info;
                connection.UpdateInfo(info => info with
                {
                    Protocols = known.Protocols,
                    AgentVersion = known.AgentVersion,
                    ListenAddresses = known.ListenAddresses,
                });
            }

            list.Insert(list.Count > 0 && IsPreferred(list[0], connection) ? 1 : 0, connection);
            _peers[connection.Peer] = list;
            _count++;
            AssertCount();
            return [.. list.Skip(1)];
        }
    }

    /// <summary>Removes a connection. True when it was the last one to its peer.</summary>
    public bool Remove(Connection connection)
    {
        lock (_lock)
        {
            List<Connection> list = _peers[connection.Peer];
            bool removed = list.Remove(connection);
            Debug.Assert(removed, "a connection is removed once");
            _count--;
            bool last = list.Count == 0 && _peers.Remove(connection.Peer);
            AssertCount();
            return last;
        }
    }

    private bool IsPreferred(Connection old, Connection added)
    {
        if (old.Inbound == added.Inbound || time.GetElapsedTime(old.OpenedAt, added.OpenedAt) > Simultaneous
            || old.Muxer.Closed.IsCancellationRequested)
        {
            return false;
        }

        bool preferOurDial = local.ToArray().AsSpan().SequenceCompareTo(old.Peer.ToArray()) < 0;
        return old.Inbound != preferOurDial;
    }

    [Conditional("DEBUG")]
    private void AssertCount() => Debug.Assert(_peers.Values.Sum(list => list.Count) == _count, "every connection is counted once");
}
