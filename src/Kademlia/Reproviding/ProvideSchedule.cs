using System.Diagnostics;
using Ipcs.Kademlia.Routing;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Reproviding;

/// <summary>
/// When each key is due to be announced. Due keys are returned in the order of the key space, so that neighbours are announced together.
/// No clock, no I/O; not thread-safe: <see cref="Reprovider"/> locks it.
/// </summary>
internal sealed class ProvideSchedule(TimeSpan interval, Random random)
{
    /// <summary>The most keys: at some 200 bytes each, 50 MB.</summary>
    public const int MaxKeys = 262_144;

    /// <summary>The delay after the first failed announcement of a key; it doubles with each further one, up to an hour.</summary>
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LastRetry = TimeSpan.FromHours(1);

    private readonly Dictionary<Multihash, Entry> _entries = [];
    private readonly SortedDictionary<KadKey, Entry> _byPoint = [];
    private KadKey _cursor;

    /// <summary>The number of keys.</summary>
    public int Count => _entries.Count;

    /// <summary>The keys.</summary>
    public IReadOnlyCollection<Multihash> Keys => _entries.Keys;

    /// <summary>True when the key is in the schedule.</summary>
    public bool Contains(in Multihash key) => _entries.ContainsKey(key);

    /// <summary>
    /// Adds a key: due now when it was never announced, else one interval after its last announcement. False when it is there already or
    /// the schedule is full.
    /// </summary>
    public bool Add(DateTimeOffset now, in Multihash key, DateTimeOffset? providedAt)
    {
        if (_entries.Count >= MaxKeys || _entries.ContainsKey(key))
        {
            return false;
        }

        var entry = new Entry(key, KadKey.Of(key)) { DueAt = providedAt is { } at ? Next(at) : now };
        _entries.Add(key, entry);
        _byPoint.Add(entry.Point, entry);
        Debug.Assert(_entries.Count == _byPoint.Count, "both indexes have the same entries");
        return true;
    }

    /// <summary>Removes a key. Its records at other peers expire.</summary>
    public bool Remove(in Multihash key) => _entries.Remove(key, out Entry? entry) && _byPoint.Remove(entry.Point);

    /// <summary>The next due key in the order of the key space, starting at the one returned last; null when none is due.</summary>
    public Multihash? NextDue(DateTimeOffset now)
    {
        Entry? first = null;
        foreach (Entry entry in _byPoint.Values)
        {
            if (entry.DueAt > now)
            {
                continue;
            }

            first ??= entry;
            if (entry.Point.CompareTo(_cursor) >= 0)
            {
                first = entry;
                break;
            }
        }

        if (first is null)
        {
            return null;
        }

        _cursor = first.Point;
        return first.Key;
    }

    /// <summary>When the next key is due; null when there are no keys.</summary>
    public DateTimeOffset? NextDueAt() => _byPoint.Count == 0 ? null : _byPoint.Values.Min(e => e.DueAt);

    /// <summary>
    /// At most <paramref name="max"/> keys that share the first <paramref name="bits"/> bits with a point and are due by
    /// <paramref name="before"/>.
    /// </summary>
    public List<Multihash> DueIn(DateTimeOffset before, KadKey point, int bits, int max)
    {
        Debug.Assert(bits is >= 0 and <= KadKey.Bits, "a prefix has at most as many bits as a key");
        return [.. _byPoint.Values.Where(e => e.DueAt <= before && e.Point.CommonPrefix(point) >= bits).Take(max).Select(e => e.Key)];
    }

    /// <summary>Records that a key was announced.</summary>
    public void Done(DateTimeOffset now, in Multihash key)
    {
        if (_entries.TryGetValue(key, out Entry? entry))
        {
            entry.Attempts = 0;
            entry.DueAt = Next(now);
        }
    }

    /// <summary>Records that no peer accepted a key. It is due again after a delay that grows with each failure.</summary>
    public void Failed(DateTimeOffset now, in Multihash key)
    {
        if (_entries.TryGetValue(key, out Entry? entry))
        {
            TimeSpan delay = FirstRetry * Math.Pow(2, Math.Min(entry.Attempts++, 10));
            entry.DueAt = now + ((delay < LastRetry ? delay : LastRetry) * (0.5 + random.NextDouble()));
        }
    }

    /// <summary>Makes every key that failed due now, since the network has changed.</summary>
    public void RetryNow(DateTimeOffset now)
    {
        foreach (Entry entry in _entries.Values.Where(e => e.Attempts > 0 && e.DueAt > now))
        {
            entry.DueAt = now;
        }
    }

    /// <summary>When a key is due again: up to a tenth of the interval early, so that nodes started together drift apart.</summary>
    private DateTimeOffset Next(DateTimeOffset providedAt) => providedAt + (interval * (0.9 + (0.1 * random.NextDouble())));

    private sealed class Entry(Multihash key, KadKey point)
    {
        public Multihash Key { get; } = key;

        public KadKey Point { get; } = point;

        public DateTimeOffset DueAt { get; set; }

        public int Attempts { get; set; }
    }
}
