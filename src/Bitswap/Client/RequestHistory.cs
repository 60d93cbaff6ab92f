using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>
/// What peers were asked for, in any way, to tell a block that comes late from a false one; also over a reconnection, since what was asked before may
/// still be on its way. Touched only under the scheduler's lock.
/// </summary>
internal sealed class RequestHistory
{
    /// <summary>Hashes remembered of one peer, some 8 MB of memory: later than 16 GiB of others no honest block is.</summary>
    private const int MaxHashes = 65_536;

    /// <summary>Peers remembered; past that those who are gone are forgotten.</summary>
    private const int MaxPeers = 1024;

    private readonly Dictionary<PeerId, Memory> _peers = [];

    /// <summary>Notes that a peer was asked for a block.</summary>
    public void Add(PeerId peer, in Multihash hash)
    {
        if (!_peers.TryGetValue(peer, out Memory? memory))
        {
            _peers[peer] = memory = new Memory();
        }

        if (!memory.Hashes.Add(hash))
        {
            return;
        }

        memory.Order.Enqueue(hash);
        if (memory.Order.Count > MaxHashes)
        {
            memory.Hashes.Remove(memory.Order.Dequeue());
        }
    }

    /// <summary>True when a peer was asked for a block.</summary>
    public bool Contains(PeerId peer, in Multihash hash) => _peers.TryGetValue(peer, out Memory? memory) && memory.Hashes.Contains(hash);

    /// <summary>Makes room, if there is need, by forgetting peers that are not connected.</summary>
    public void Trim(Func<PeerId, bool> isConnected)
    {
        if (_peers.Count <= MaxPeers)
        {
            return;
        }

        foreach (PeerId peer in _peers.Keys.Where(p => !isConnected(p)).ToArray())
        {
            _peers.Remove(peer);
        }
    }

    private sealed class Memory
    {
        public HashSet<Multihash> Hashes { get; } = [];

        public Queue<Multihash> Order { get; } = new();
    }
}
