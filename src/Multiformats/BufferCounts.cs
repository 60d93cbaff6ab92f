using System.Collections.Concurrent;
using System.Diagnostics;

namespace Ipcs.Multiformats;

/// <summary>
/// Counts pooled buffers and contexts by purpose in debug builds, so that tests can assert that all were returned. Thread-safe.
/// </summary>
public static class BufferCounts
{
    private static readonly ConcurrentDictionary<string, int> Rents = new(StringComparer.Ordinal);

    /// <summary>The purposes with buffers that are rented now, and how many each has. Empty in release builds.</summary>
    public static IReadOnlyDictionary<string, int> Outstanding => Rents.Where(r => r.Value != 0).ToDictionary(StringComparer.Ordinal);

    /// <summary>Counts a buffer as rented.</summary>
    [Conditional("DEBUG")]
    public static void Rented(string purpose) => Rents.AddOrUpdate(purpose, 1, static (_, count) => count + 1);

    /// <summary>Counts a buffer as returned.</summary>
    [Conditional("DEBUG")]
    public static void Returned(string purpose)
    {
        int left = Rents.AddOrUpdate(purpose, -1, static (_, count) => count - 1);
        Debug.Assert(left >= 0, $"more {purpose} buffers were returned than rented");
    }
}
