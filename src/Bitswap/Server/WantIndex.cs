using System.Runtime.InteropServices;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Server;

/// <summary>
/// Which peers wait for which block: one lookup per stored block instead of one per connected peer. Bounded by the wantlists' own bounds.
/// Thread-safe.
/// </summary>
internal sealed class WantIndex
{
    private readonly Lock _lock = new();
    private readonly Dictionary<Multihash, List<PeerWantlist>> _waiting = [];

    /// <summary>Adds a wantlist that waits for a block.</summary>
    public void Add(in Multihash hash, PeerWantlist wants)
    {
        lock (_lock)
        {
            ref List<PeerWantlist>? lists = ref CollectionsMarshal.GetValueRefOrAddDefault(_waiting, hash, out _);
            lists ??= new List<PeerWantlist>(1);
            if (!lists.Contains(wants))
            {
                lists.Add(wants);
            }
        }
    }

    /// <summary>Removes a wantlist that no longer waits for a block.</summary>
    public void Remove(in Multihash hash, PeerWantlist wants)
    {
        lock (_lock)
        {
            if (_waiting.TryGetValue(hash, out List<PeerWantlist>? lists) && lists.Remove(wants) && lists.Count == 0)
            {
                _waiting.Remove(hash);
            }
        }
    }

    /// <summary>A block has been stored: queues it for every peer that waits for it.</summary>
    public void BlockArrived(in Multihash hash, int length)
    {
        PeerWantlist[] lists;
        lock (_lock)
        {
            if (!_waiting.TryGetValue(hash, out List<PeerWantlist>? waiting))
            {
                return;
            }

            lists = [.. waiting];
        }

        // Without the lock: a wantlist takes it when it removes itself.
        foreach (PeerWantlist wants in lists)
        {
            wants.BlockArrived(hash, length);
        }
    }
}
