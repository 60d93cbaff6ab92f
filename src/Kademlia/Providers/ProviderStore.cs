using System.Runtime.InteropServices;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Providers;

/// <summary>
/// What strangers say they have: provider records by key, in memory, each until it expires. Bounded per key, per peer and in all.
/// No clock and no I/O; not thread-safe: <see cref="Dht"/> locks it. Lost at a restart: k peers keep each record, and who provides says so again.
/// </summary>
internal sealed class ProviderStore(TimeSpan lifetime, Random random)
{
    /// <summary>Records of one key. A fleet of a thousand may all have one image; a question needs some tens of them.</summary>
    public const int MaxPerKey = 128;

    /// <summary>Records given out for one question: a random few, so that a fleet doesn't go to the same peers.</summary>
    public const int MaxAnswer = 32;

    /// <summary>Records of one peer: a thousand images of fifteen layers, two keys each, with no peer but us to keep them.</summary>
    public const int MaxPerPeer = 32_768;

    /// <summary>Records in all: at some 250 bytes each, 64 MB.</summary>
    public const int MaxRecords = 262_144;

    private readonly Dictionary<Multihash, List<ProviderEntry>> _byKey = [];
    private readonly Dictionary<PeerId, HashSet<Multihash>> _byPeer = [];

    /// <summary>How many records there are, expired ones that are not swept yet among them.</summary>
    public int Count { get; private set; }

    /// <summary>How many keys there are.</summary>
    public int Keys => _byKey.Count;

    /// <summary>
    /// Takes a record in, or renews it. False when the peer has too many. Of a key that is full the record that expires first goes;
    /// when the store is full, one of the peer that holds the most, unless that is the sender.
    /// </summary>
    public bool Add(DateTimeOffset now, in Multihash key, in PeerId peer, IReadOnlyList<Multiaddr> addresses)
    {
        HashSet<Multihash> keys = CollectionsMarshal.GetValueRefOrAddDefault(_byPeer, peer, out _) ??= [];
        if (!keys.Contains(key))
        {
            if (keys.Count >= MaxPerPeer || (Count >= MaxRecords && !DropOneOfTheLargest(peer)))
            {
                Forget(peer, keys);
                return false;
            }

            if (_byKey.TryGetValue(key, out List<ProviderEntry>? full) && full.Count >= MaxPerKey)
            {
                Remove(key, full.MinBy(e => e.ExpiresAt)!.Peer);
            }
        }

        List<ProviderEntry> entries = CollectionsMarshal.GetValueRefOrAddDefault(_byKey, key, out _) ??= new List<ProviderEntry>(1);
        PeerId wanted = peer;
        int index = entries.FindIndex(e => e.Peer == wanted);
        if (index >= 0)
        {
            entries.RemoveAt(index);
        }
        else
        {
            keys.Add(key);
            Count++;
        }

        entries.Add(new ProviderEntry(peer, addresses, now + lifetime));
        return true;
    }

    /// <summary>Who has a key, expired records left out: all, or a random <see cref="MaxAnswer"/> of them.</summary>
    public IReadOnlyList<ProviderEntry> Get(DateTimeOffset now, in Multihash key)
    {
        if (!_byKey.TryGetValue(key, out List<ProviderEntry>? entries))
        {
            return [];
        }

        ProviderEntry[] alive = [.. entries.Where(e => e.ExpiresAt > now)];
        if (alive.Length > MaxAnswer)
        {
            random.Shuffle(alive);
        }

        return alive.Length > MaxAnswer ? alive[..MaxAnswer] : alive;
    }

    /// <summary>Takes out what has expired, and returns how many records that were.</summary>
    public int Sweep(DateTimeOffset now)
    {
        int before = Count;
        foreach ((Multihash key, List<ProviderEntry> entries) in _byKey.ToArray())
        {
            foreach (ProviderEntry entry in entries.Where(e => e.ExpiresAt <= now).ToArray())
            {
                Remove(key, entry.Peer);
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
        List<ProviderEntry> entries = _byKey[key];
        PeerId gone = peer;
        entries.RemoveAll(e => e.Peer == gone);
        if (entries.Count == 0)
        {
            _byKey.Remove(key);
        }

        HashSet<Multihash> keys = _byPeer[peer];
        keys.Remove(key);
        Forget(peer, keys);
        Count--;
    }

    private void Forget(in PeerId peer, HashSet<Multihash> keys)
    {
        if (keys.Count == 0)
        {
            _byPeer.Remove(peer);
        }
    }
}

/// <summary>A peer that has announced a key.</summary>
internal sealed record ProviderEntry(PeerId Peer, IReadOnlyList<Multiaddr> Addresses, DateTimeOffset ExpiresAt);
