namespace Ipcs.Libp2p.Swarm;

/// <summary>Addresses whose last dial failed, and until when they are not dialled again. Thread-safe.</summary>
internal sealed class DialBackoff(TimeProvider time)
{
    /// <summary>
    /// The maximum number of addresses. The one whose pause ends first makes room, because strangers can cause dials of many addresses.
    /// </summary>
    private const int MaxEntries = 4096;

    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Last = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    /// <summary>How long the address is still not to be dialled; zero when it may be.</summary>
    public TimeSpan Remaining(string address)
    {
        lock (_lock)
        {
            return _entries.TryGetValue(address, out Entry entry) && entry.Until > time.GetUtcNow()
                ? entry.Until - time.GetUtcNow()
                : TimeSpan.Zero;
        }
    }

    /// <summary>Notes a failed dial: the pause doubles.</summary>
    public void Failed(string address)
    {
        lock (_lock)
        {
            int failures = _entries.TryGetValue(address, out Entry entry) ? Math.Min(entry.Failures + 1, 16) : 1;
            if (failures == 1 && _entries.Count >= MaxEntries)
            {
                _entries.Remove(_entries.MinBy(e => e.Value.Until).Key);
            }

            TimeSpan pause = First * Math.Pow(2, failures - 1);
            _entries[address] = new Entry(failures, time.GetUtcNow() + (pause < Last ? pause : Last));
        }
    }

    /// <summary>Notes a dial that gave a connection.</summary>
    public void Succeeded(string address)
    {
        lock (_lock)
        {
            _entries.Remove(address);
        }
    }

    private readonly record struct Entry(int Failures, DateTimeOffset Until);
}
