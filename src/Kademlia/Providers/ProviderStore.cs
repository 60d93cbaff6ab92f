using System.Diagnostics;
using System.Runtime.InteropServices;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Providers;

/// <summary>
/// The provider records that other peers have announced, by key, in memory, each until it expires. Bounded per key, per peer and in total.
/// No clock and no I/O; not thread-safe. A restart loses them: k peers store each record, and providers announce their keys again.
/// </summary>
internal sealed class ProviderStore(TimeSpan lifetime, Random random)
{
    /// <summary>The most records of one key. All of a thousand hosts may have one image; an answer needs some tens of them.</summary>
    public const int MaxPerKey = 128;

    /// <summary>The most records in one answer. They are chosen at random, so that requests spread over all providers.</summary>
    public const int MaxAnswer = 32;

    /// <summary>The most records of one peer: a thousand images of fifteen layers, two keys each, if this node alone stores them.</summary>
    public const int MaxPerPeer = 32_768;

    /// <summary>The most records in total: at some 250 bytes each, 64 MB.</summary>
    public const int MaxRecords = 262_144;

    private readonly Dictionary<Multihash, List<ProviderRecord>> _byKey = [];
    private readonly Dictionary<PeerId, HashSet<Multihash>> _byPeer = [];

    /// <summary>The number of records, including expired ones that are not removed yet.</summary>
    public int Count { get; private set; }

    /// <summary>The number of keys.</summary>
    public int Keys => _byKey.Count;

    /// <summary>
    /// Adds or renews a record. A key that is full loses the record that expires first; a store that is full loses a record of the peer
    /// that has the most. False when the peer has too many, or the store is full and the peer itself has the most.
    /// </summary>
    public bool Add(DateTimeOffset now, in Multihash key, in PeerId peer, IReadOnlyList<Multiaddr> addresses)
    {
        HashSet<Multihash> keys = CollectionsMarshal.GetValueRefOrAddDefault(_byPeer, peer, out _) ??= [];
        if (!keys.Contains(key))
        {
            if (keys.Count >= MaxPerPeer || (Count >= MaxRecords && !DropOneOfTheLargest(peer)))
            {
                ForgetIfEmpty(peer, keys);
                return false;
            }

            if (_byKey.TryGetValue(key, out List<ProviderRecord>? full) && full.Count >= MaxPerKey)
            {
                Remove(key, full.MinBy(e => e.ExpiresAt)!.Peer);
            }
        }

        List<ProviderRecord> records = CollectionsMarshal.GetValueRefOrAddDefault(_byKey, key, out _) ??= new List<ProviderRecord>(1);
        PeerId wanted = peer;
        int index = records.FindIndex(e => e.Peer == wanted);
        if (index >= 0)
        {
            records.RemoveAt(index);
        }
        else
        {
            keys.Add(key);
            Count++;
        }

        records.Add(new ProviderRecord(peer, addresses, now + lifetime));
        Debug.Assert(records.Count <= MaxPerKey && keys.Count <= MaxPerPeer && Count <= MaxRecords, "all bounds are kept");
        return true;
    }

    /// <summary>The records of a key that have not expired: all, or <see cref="MaxAnswer"/> chosen at random.</summary>
    public IReadOnlyList<ProviderRecord> Get(DateTimeOffset now, in Multihash key)
    {
        if (!_byKey.TryGetValue(key, out List<ProviderRecord>? records))
        {
            return [];
        }

        ProviderRecord[] alive = [.. records.Where(e => e.ExpiresAt > now)];
        if (alive.Length > MaxAnswer)
        {
            random.Shuffle(alive);
        }

        return alive.Length > MaxAnswer ? alive[..MaxAnswer] : alive;
    }

    /// <summary>Removes the expired records and returns their number.</summary>
    public int Sweep(DateTimeOffset now)
    {
        int before = Count;
        foreach ((Multihash key, List<ProviderRecord> records) in _byKey.ToArray())
        {
            foreach (ProviderRecord record in records.Where(e => e.ExpiresAt <= now).ToArray())
            {
                Remove(key, record.Peer);
            }
        }

        return before - Count;
    }

    private bool DropOneOfTheLargest(PeerId sender)
    {
        PeerId largest = _byPeer.MaxBy(p => p.Value.Count).Key;
        if (largest == sender)
        {
            return false;
        }

        Remove(_byPeer[largest].First(), largest);
        return true;
    }

    private void Remove(in Multihash key, in PeerId peer)
    {
        List<ProviderRecord> records = _byKey[key];
        PeerId gone = peer;
        records.RemoveAll(e => e.Peer == gone);
        if (records.Count == 0)
        {
            _byKey.Remove(key);
        }

        HashSet<Multihash> keys = _byPeer[peer];
        keys.Remove(key);
        ForgetIfEmpty(peer, keys);
        Count--;
    }

    private void ForgetIfEmpty(in PeerId peer, HashSet<Multihash> keys)
    {
        if (keys.Count == 0)
        {
            _byPeer.Remove(peer);
        }
    }
}
