using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>
/// The open connections, those of a peer in the order of preference: streams go over the first, the others are closed once they are idle.
/// Both sides must prefer the same one. Two that were made at the same time, one from each side: the one that the lesser peer id dialled.
/// Else the newer: who has a connection that works does not dial. Thread-safe.
/// </summary>
internal sealed class ConnectionTable(PeerId local, HostLimits limits)
{
    /// <summary>How near each other two connections count as made at the same time, in milliseconds: as long as a handshake may take.</summary>
    private const long Simultaneous = 10_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, List<Connection>> _peers = [];
    private int _count;

    /// <summary>How many connections there are.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>All of them, as of the call.</summary>
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

    /// <summary>The preferred connection of every peer, as of the call.</summary>
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

    /// <summary>The preferred connection of a peer, when it is one that was dialled at that address; null when there is none.</summary>
    public Connection? FindDialled(Multiaddr address)
    {
        lock (_lock)
        {
            return _peers.Values.Select(c => c[0]).FirstOrDefault(c => !c.Inbound && c.Info.Address.Equals(address) && !c.Muxer.Closed.IsCancellationRequested);
        }
    }

    /// <summary>Every connection to a peer.</summary>
    public Connection[] FindAll(PeerId peer)
    {
        lock (_lock)
        {
            return _peers.TryGetValue(peer, out List<Connection>? list) ? [.. list] : [];
        }
    }

    /// <summary>Takes a connection in, and returns those that it or a better one makes needless; null when there are too many already.</summary>
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
                // What is known of the peer holds for every connection to it.
                connection.Info = connection.Info with
                {
                    Protocols = list[0].Info.Protocols,
                    AgentVersion = list[0].Info.AgentVersion,
                    ListenAddresses = list[0].Info.ListenAddresses,
                };
            }

            list.Insert(list.Count > 0 && IsBetter(list[0], connection) ? 1 : 0, connection);
            _peers[connection.Peer] = list;
            _count++;
            return [.. list.Skip(1)];
        }
    }

    /// <summary>Forgets a connection. True when it was the last one to its peer.</summary>
    public bool Remove(Connection connection)
    {
        lock (_lock)
        {
            List<Connection> list = _peers[connection.Peer];
            list.Remove(connection);
            _count--;
            return list.Count == 0 && _peers.Remove(connection.Peer);
        }
    }

    private bool IsBetter(Connection old, Connection made)
    {
        if (old.Inbound == made.Inbound || made.Since - old.Since > Simultaneous || old.Muxer.Closed.IsCancellationRequested)
        {
            return false;
        }

        bool oursIsBetter = local.ToArray().AsSpan().SequenceCompareTo(old.Peer.ToArray()) < 0;
        return old.Inbound != oursIsBetter;
    }
}
