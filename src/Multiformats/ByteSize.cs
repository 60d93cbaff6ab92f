using System.Globalization;

namespace Ipcs.Multiformats;

/// <summary>Writes and reads numbers of bytes for people.</summary>
public static class ByteSize
{
    private static readonly (string Suffix, long Unit)[] Units =
    [
        ("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40),
        ("KB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1), ("", 1),
    ];

    /// <summary>Parses a size such as <c>500MB</c>, <c>10GiB</c> or a number of bytes.</summary>
    public static bool TryParse(string text, out long bytes)
    {
        (string suffix, long unit) = Array.Find(Units, u => text.EndsWith(u.Suffix, StringComparison.Ordinal));
        bool parsed =
            long.TryParse(text.AsSpan(0, text.Length - suffix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out long n)
            && n <= long.MaxValue / unit;
        bytes = parsed ? n * unit : 0;
        return parsed;
    }

    /// <summary>Bytes in units of a thousand, such as <c>23.4 MB</c>.</summary>
    public static string Format(long bytes) => bytes switch
    {
        < 1000 => string.Create(CultureInfo.InvariantCulture, $"{bytes} B"),
        < 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e3:F1} kB"),
        < 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:F1} MB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:F2} GB"),
    };
}
