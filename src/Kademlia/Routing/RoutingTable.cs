using System.Diagnostics;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Routing;

/// <summary>
/// The known servers of the DHT, in buckets by how many leading bits their keys share with the local one.
/// Bounded: 256 buckets of k entries and k replacements, of which about log2(n) are in use. No I/O and no clock; not thread-safe.
/// Spec: https://github.com/libp2p/specs/blob/master/kad-dht/README.md, section Kademlia routing table.
/// </summary>
internal sealed class RoutingTable
{
    /// <summary>A peer that failed this often in a row is removed, also when it has no replacement.</summary>
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

    /// <summary>The point of the local peer.</summary>
    public KadKey LocalKey { get; }

    /// <summary>The number of entries, without replacements.</summary>
    public int Count { get; private set; }

    /// <summary>All entries, without replacements.</summary>
    public IEnumerable<TableEntry> Entries => _buckets.SelectMany(b => b.Entries);

    /// <summary>Records that a server of the DHT has connected or answered. Addresses, when there are any, replace those known.</summary>
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
        Debug.Assert(Count >= bucket.Entries.Count, "the count includes every bucket");
    }

    /// <summary>
    /// Records that a peer did not answer. It is removed when its bucket has a replacement, or after <see cref="MaxFailures"/> failures.
    /// </summary>
    public void Failed(in PeerId peer)
    {
        Bucket bucket = BucketOf(KadKey.Of(peer));
        if (bucket.Find(peer) is { } entry && (++entry.Failures >= MaxFailures || bucket.Replacements.Count > 0))
        {
            Remove(peer);
        }
    }

    /// <summary>Removes a peer, such as one that no longer serves the DHT.</summary>
    public void Remove(in PeerId peer)
    {
        Bucket bucket = BucketOf(KadKey.Of(peer));
        int before = bucket.Entries.Count;
        bucket.Remove(peer);
        Count += bucket.Entries.Count - before;
    }

    /// <summary>The entry of a peer; null when it is a replacement or not in the table.</summary>
    public TableEntry? Find(in PeerId peer)
    {
        PeerId wanted = peer;
        return BucketOf(KadKey.Of(peer)).Entries.Find(e => e.Peer == wanted);
    }

    /// <summary>The <paramref name="count"/> peers closest to a key, the closest first.</summary>
    public List<TableEntry> Closest(KadKey key, int count, PeerId? except = null)
    {
        // The key belongs to bucket c. Peers of that bucket share more than c bits with it, peers of deeper buckets exactly c, and peers
        // of the buckets c-1, c-2 ... exactly c-1, c-2 ...: each group is closer than the next, so only the peers of one group need
        // sorting.
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

        Debug.Assert(
            closest.Zip(closest.Skip(1)).All(p => p.First.Key.DistanceTo(key).CompareTo(p.Second.Key.DistanceTo(key)) < 0),
            "the peers are sorted by distance");
        return closest.Count > count ? closest.GetRange(0, count) : closest;

        void Take(IEnumerable<TableEntry> group) =>
            closest.AddRange(group.Where(e => e.Peer != except).OrderBy(e => e.Key.DistanceTo(key)));
    }

    /// <summary>
    /// At most <paramref name="count"/> peers not seen since <paramref name="before"/>, the oldest first: they are to be pinged.
    /// </summary>
    public List<TableEntry> NotSeenSince(DateTimeOffset before, int count) =>
        [.. Entries.Where(e => e.LastSeen < before).OrderBy(e => e.LastSeen).Take(count)];

    /// <summary>
    /// The buckets (by the number of leading bits shared with the local peer) in which no lookup had its target since
    /// <paramref name="before"/>: those up to the deepest with a peer, one more, and at most up to <paramref name="max"/>.
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

    /// <summary>Records a lookup for a key.</summary>
    public void Refreshed(DateTimeOffset now, in KadKey key) => BucketOf(key).RefreshedAt = now;

    private Bucket BucketOf(in KadKey key) => _buckets[Math.Min(LocalKey.CommonPrefix(key), KadKey.Bits - 1)];
}
