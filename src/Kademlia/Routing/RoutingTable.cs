using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Routing;

/// <summary>
/// The peers that we know to serve the DHT, in buckets by how many leading bits their keys have in common with ours.
/// Bounded: 256 buckets of k peers and k waiting ones, of which about log2(n) are in use. No I/O, no clock, not thread-safe: <see cref="Dht"/> locks it.
/// Spec: https://github.com/libp2p/specs/blob/master/kad-dht/README.md, section Kademlia routing table.
/// </summary>
internal sealed class RoutingTable
{
    /// <summary>A peer that failed so often in a row goes, also when nobody waits for its place.</summary>
    public const int MaxFailures = 3;

    private readonly Bucket[] _buckets = new Bucket[KadKey.Bits];
    private readonly PeerId _self;

    public RoutingTable(PeerId self, int bucketSize)
    {
        _self = self;
        LocalKey = KadKey.Of(self);
        for (int i = 0; i < _buckets.Length; i++)
        {
            _buckets[i] = new Bucket(bucketSize);
        }
    }

    /// <summary>Where we lie in the key space.</summary>
    public KadKey LocalKey { get; }

    /// <summary>How many peers are asked; those that wait left out.</summary>
    public int Count { get; private set; }

    /// <summary>All peers that are asked.</summary>
    public IEnumerable<TableEntry> Entries => _buckets.SelectMany(b => b.Entries);

    /// <summary>Notes that a server of the DHT has connected or answered. Addresses, when there are any, replace those known.</summary>
    public void Seen(DateTimeOffset now, in PeerId peer, IReadOnlyList<Multiaddr> addresses)
    {
        if (peer == _self)
        {
            return;
        }

        KadKey key = KadKey.Of(peer);
        Bucket bucket = BucketOf(key);
        TableEntry entry = bucket.Find(peer) ?? new TableEntry(peer, key);
        entry.LastSeen = now;
        entry.Failures = 0;
        if (addresses.Count > 0)
        {
            entry.Addresses = addresses;
        }

        int before = bucket.Entries.Count;
        bucket.Seen(entry);
        Count += bucket.Entries.Count - before;
    }

    /// <summary>Notes that a peer did not answer. It goes when another waits for its place, or after <see cref="MaxFailures"/> times.</summary>
    public void Failed(in PeerId peer)
    {
        Bucket bucket = BucketOf(KadKey.Of(peer));
        if (bucket.Find(peer) is { } entry && (++entry.Failures >= MaxFailures || bucket.Waiting.Count > 0))
        {
            Remove(peer);
        }
    }

    /// <summary>Takes a peer out, such as one that no longer serves the DHT.</summary>
    public void Remove(in PeerId peer)
    {
        Bucket bucket = BucketOf(KadKey.Of(peer));
        int before = bucket.Entries.Count;
        bucket.Remove(peer);
        Count += bucket.Entries.Count - before;
    }

    /// <summary>The entry of a peer, when it is one that is asked.</summary>
    public TableEntry? Find(in PeerId peer)
    {
        PeerId wanted = peer;
        return BucketOf(KadKey.Of(peer)).Entries.Find(e => e.Peer == wanted);
    }

    /// <summary>The <paramref name="count"/> peers closest to a key, the closest first.</summary>
    public List<TableEntry> Closest(KadKey key, int count, PeerId? except = null)
    {
        // The key falls into bucket c. Whoever is in that bucket has more than c bits in common with it, whoever is in a deeper one exactly c,
        // and those in the buckets c-1, c-2 ... ever fewer: groups that need no sorting among each other.
        int c = Math.Min(LocalKey.CommonPrefix(key), KadKey.Bits - 1);
        var closest = new List<TableEntry>(count + _buckets[c].Entries.Count);
        Take(_buckets[c].Entries);
        if (closest.Count < count)
        {
            Take(_buckets.Skip(c + 1).SelectMany(b => b.Entries));
        }

        while (closest.Count < count && --c >= 0)
        {
            Take(_buckets[c].Entries);
        }

        return closest.Count > count ? closest.GetRange(0, count) : closest;

        void Take(IEnumerable<TableEntry> group) => closest.AddRange(group.Where(e => e.Peer != except).OrderBy(e => e.Key.DistanceTo(key)));
    }

    /// <summary>The peers not seen since <paramref name="before"/>, at most <paramref name="count"/>: they ought to be asked whether they live.</summary>
    public List<TableEntry> NotSeenSince(DateTimeOffset before, int count) =>
        [.. Entries.Where(e => e.LastSeen < before).OrderBy(e => e.LastSeen).Take(count)];

    /// <summary>
    /// The prefixes (numbers of leading bits in common with us) whose bucket no lookup has entered since <paramref name="before"/>:
    /// those up to the closest peer known, one more, and at most <paramref name="max"/>.
    /// </summary>
    public List<int> PrefixesToRefresh(DateTimeOffset before, int max)
    {
        int last = Array.FindLastIndex(_buckets, b => b.Entries.Count > 0);
        var prefixes = new List<int>();
        for (int i = 0; i <= Math.Min(last + 1, max) && last >= 0; i++)
        {
            if (_buckets[i].RefreshedAt < before)
            {
                prefixes.Add(i);
            }
        }

        return prefixes;
    }

    /// <summary>Notes that a lookup for a key has been done.</summary>
    public void Refreshed(DateTimeOffset now, in KadKey key) => BucketOf(key).RefreshedAt = now;

    private Bucket BucketOf(in KadKey key) => _buckets[Math.Min(LocalKey.CommonPrefix(key), KadKey.Bits - 1)];
}
