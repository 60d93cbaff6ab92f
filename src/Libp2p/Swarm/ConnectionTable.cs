using System.Diagnostics;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>
/// The open connections. Those of one peer are in order of preference: streams are opened on the first, the others are closed once they are
/// idle. Both sides must prefer the same connection. Of two that were made simultaneously, one from each side, that is the one dialled by
/// the smaller peer id; else it is the newer one, because a peer does not dial while its connection works. Too many connections are closed
/// as <see cref="ConnectionPolicy"/> says. Thread-safe.
/// </summary>
internal sealed class ConnectionTable(PeerId local, HostLimits limits, TimeSpan graceTime, TimeProvider time)
{
    /// <summary>How long a peer that has given something is kept before others for it: it may well be asked again.</summary>
    private static readonly TimeSpan CreditTime = TimeSpan.FromHours(1);

    /// <summary>Two connections made within this time count as simultaneous: a handshake may take as long.</summary>
    private static readonly TimeSpan Simultaneous = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly ConnectionPolicy _policy = new(limits.MaxConnections, graceTime);
    private readonly Dictionary<PeerId, List<Connection>> _peers = [];
    private readonly Dictionary<string, IReadOnlyCollection<PeerId>> _protections = new(StringComparer.Ordinal);
    private HashSet<PeerId> _protected = [];
    private int _count;

    /// <summary>How many connections are left when too many were closed.</summary>
    public int Target => _policy.Low;

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

    /// <summary>Protects these peers' connections from being closed to make room, instead of those named before for the tag.</summary>
    public void Protect(string tag, IReadOnlyCollection<PeerId> peers)
    {
        lock (_lock)
        {
            _protections[tag] = peers;
            _protected = [.. _protections.Values.SelectMany(p => p)];
        }
    }

    /// <summary>
    /// Adds a connection, and returns those that are to be closed for it: they are not in the table any more. Null, and nothing is added or
    /// removed, when there are too many.
    /// </summary>
    /// <param name="connection">The connection.</param>
    /// <param name="redundant">The connections to the same peer that are redundant now.</param>
    public Connection[]? TryAdd(Connection connection, out Connection[] redundant)
    {
        lock (_lock)
        {
            redundant = [];
            if (_peers.GetValueOrDefault(connection.Peer)?.Count >= limits.MaxConnectionsPerPeer)
            {
                return null;
            }

            // Below the high mark no decision is needed, and nothing to decide by.
            Connection[] open = _count < _policy.High ? [] : [.. _peers.Values.SelectMany(c => c)];
            if (_policy.Admit([.. open.Select(GetFacts)], GetFacts(connection)) is not { } indexes)
            {
                return null;
            }

            Connection[] closed = [.. indexes.Select(i => open[i])];
            foreach (Connection victim in closed)
            {
                RemoveUnderLock(victim);
            }

            List<Connection> list = _peers.GetValueOrDefault(connection.Peer) ?? [];
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
            redundant = [.. list.Skip(1)];
            return closed;
        }
    }

    /// <summary>
    /// Removes a connection, unless it was closed for another one. True when it was in the table, and the last one to its peer.
    /// </summary>
    public bool Remove(Connection connection)
    {
        lock (_lock)
        {
            return RemoveUnderLock(connection);
        }
    }

    private bool RemoveUnderLock(Connection connection)
    {
        if (!_peers.TryGetValue(connection.Peer, out List<Connection>? list) || !list.Remove(connection))
        {
            return false;
        }

        _count--;
        bool last = list.Count == 0 && _peers.Remove(connection.Peer);
        AssertCount();
        return last;
    }

    private ConnectionFacts GetFacts(Connection connection) => connection.GetFacts(_protected.Contains(connection.Peer), CreditTime);

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
