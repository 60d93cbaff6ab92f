using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Providers;

/// <summary>
/// When each key is due to be announced. It goes round the key space in order, so that keys that lie together are announced together.
/// No clock, no I/O; not thread-safe: <see cref="Reprovider"/> locks it.
/// </summary>
internal sealed class ProvideSchedule(TimeSpan interval, Random random)
{
    /// <summary>Keys in all: at some 200 bytes each, 50 MB. Who owns more blobs than that wants another strategy.</summary>
    public const int MaxKeys = 262_144;

    /// <summary>The first pause after nobody took a key; it doubles up to an hour.</summary>
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LastRetry = TimeSpan.FromHours(1);

    private readonly Dictionary<Multihash, Entry> _entries = [];
    private readonly SortedDictionary<KadKey, Entry> _byPoint = [];
    private KadKey _cursor;

    /// <summary>How many keys there are.</summary>
    public int Count => _entries.Count;

    /// <summary>The keys.</summary>
    public IReadOnlyCollection<Multihash> Keys => _entries.Keys;

    /// <summary>Adds a key: due now when it was never announced, else when its interval is over. False when it is there or there is no room.</summary>
    public bool Add(DateTimeOffset now, in Multihash key, DateTimeOffset? providedAt)
    {
        if (_entries.Count >= MaxKeys || _entries.ContainsKey(key))
        {
            return false;
        }

        var entry = new Entry(key, KadKey.Of(key)) { DueAt = providedAt is { } at ? Next(at) : now };
        _entries.Add(key, entry);
        _byPoint.Add(entry.Point, entry);
        return true;
    }

    /// <summary>Takes a key out; its records expire by themselves.</summary>
    public bool Remove(in Multihash key) => _entries.Remove(key, out Entry? entry) && _byPoint.Remove(entry.Point);

    /// <summary>The next due key in the order of the key space, from where the last one was; null when none is due.</summary>
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

    /// <summary>When the next key is due; null when there is none.</summary>
    public DateTimeOffset? NextDueAt() => _byPoint.Count == 0 ? null : _byPoint.Values.Min(e => e.DueAt);

    /// <summary>
    /// The keys that share the first <paramref name="bits"/> bits with a point and are due by <paramref name="before"/>, at most <paramref name="max"/>.
    /// </summary>
    public List<Multihash> DueIn(DateTimeOffset before, KadKey point, int bits, int max) =>
        [.. _byPoint.Values.Where(e => e.DueAt <= before && e.Point.CommonPrefix(point) >= bits).Take(max).Select(e => e.Key)];

    /// <summary>Notes that a key has been announced.</summary>
    public void Done(DateTimeOffset now, in Multihash key)
    {
        if (_entries.TryGetValue(key, out Entry? entry))
        {
            entry.Attempts = 0;
            entry.DueAt = Next(now);
        }
    }

    /// <summary>Notes that nobody took a key: it is tried again, each time later.</summary>
    public void Failed(DateTimeOffset now, in Multihash key)
    {
        if (_entries.TryGetValue(key, out Entry? entry))
        {
            TimeSpan pause = FirstRetry * Math.Pow(2, Math.Min(entry.Attempts++, 10));
            entry.DueAt = now + ((pause < LastRetry ? pause : LastRetry) * (0.5 + random.NextDouble()));
        }
    }

    /// <summary>Makes everything that waits after a failure due: the network has changed.</summary>
    public void RetryNow(DateTimeOffset now)
    {
        foreach (Entry entry in _entries.Values.Where(e => e.Attempts > 0 && e.DueAt > now))
        {
            entry.DueAt = now;
        }
    }

    /// <summary>Up to a tenth early, so that a fleet that was started at once does not announce at once for ever.</summary>
    private DateTimeOffset Next(DateTimeOffset providedAt) => providedAt + (interval * (0.9 + (0.1 * random.NextDouble())));

    private sealed class Entry(Multihash key, KadKey point)
    {
        public Multihash Key { get; } = key;

        public KadKey Point { get; } = point;

        public DateTimeOffset DueAt { get; set; }

        public int Attempts { get; set; }
    }
}
