namespace Ipcs.Kademlia.Values;

/// <summary>Values that others stored with us, in memory until they expire. No clock, no I/O; not thread-safe: <see cref="Dht"/> locks it.</summary>
internal sealed class ValueStore(TimeSpan lifetime)
{
    /// <summary>Values in all: at 10 KiB at most, 10 MiB. When full the oldest goes.</summary>
    public const int MaxValues = 1024;

    private readonly OrderedDictionary<string, (byte[] Value, DateTimeOffset At)> _values = new(StringComparer.Ordinal);

    /// <summary>How many there are.</summary>
    public int Count => _values.Count;

    /// <summary>Puts a value that has been validated.</summary>
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

    /// <summary>The value and when it came; null when there is none or it has expired.</summary>
    public (byte[] Value, DateTimeOffset At)? Get(DateTimeOffset now, byte[] key) =>
        _values.TryGetValue(Convert.ToHexString(key), out (byte[] Value, DateTimeOffset At) found) && now - found.At < lifetime ? found : null;
}
