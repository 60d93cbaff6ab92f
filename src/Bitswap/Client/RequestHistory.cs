using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>
/// The blocks that were requested from each peer, to tell a late block from a false one; kept over a reconnection, since earlier requests
/// may still be answered. Accessed only under the scheduler's lock.
/// </summary>
internal sealed class RequestHistory
{
    /// <summary>The maximum number of hashes per peer, some 8 MB of memory: no honest block is 16 GiB late.</summary>
    private const int MaxHashes = 65_536;

    /// <summary>Over this number of peers, disconnected ones are removed.</summary>
    private const int MaxPeers = 1024;

    private readonly Dictionary<PeerId, Memory> _peers = [];

    /// <summary>Records a request.</summary>
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

    /// <summary>True when a block was requested from a peer.</summary>
    public bool Contains(PeerId peer, in Multihash hash) => _peers.TryGetValue(peer, out Memory? memory) && memory.Hashes.Contains(hash);

    /// <summary>Removes disconnected peers when there are more than <see cref="MaxPeers"/>.</summary>
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
