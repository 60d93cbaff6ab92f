namespace Ipcs.Kademlia.Values;

/// <summary>The values that other peers have stored here, in memory until they expire. No clock and no I/O; not thread-safe.</summary>
internal sealed class ValueStore(TimeSpan lifetime)
{
    /// <summary>The most values: at 10 KiB each, 10 MiB. A full store drops the oldest.</summary>
    public const int MaxValues = 1024;

    private readonly OrderedDictionary<string, (byte[] Value, DateTimeOffset At)> _values = new(StringComparer.Ordinal);

    /// <summary>The number of values.</summary>
    public int Count => _values.Count;

    /// <summary>Stores a value, which the caller has validated.</summary>
    public void Put(DateTimeOffset now, byte[] key, byte[] value)
    {
        string name = Convert.ToHexString(key);
        _values.Remove(name);
        if (_values.Count >= MaxValues)
        {
            _values.RemoveAt(0);
        }

        _values.Add(name, (value, now));
    }

    /// <summary>The value and when it was stored; null when there is none or it has expired.</summary>
    public (byte[] Value, DateTimeOffset At)? Get(DateTimeOffset now, byte[] key) =>
        _values.TryGetValue(Convert.ToHexString(key), out (byte[] Value, DateTimeOffset At) found)
        && now - found.At < lifetime
            ? found
            : null;
}
