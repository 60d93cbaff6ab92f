using System.Globalization;

namespace Ipcs.Multiformats;

/// <summary>Writes numbers of bytes for people.</summary>
public static class ByteSize
{
    /// <summary>Bytes in units of a thousand, such as <c>23.4 MB</c>.</summary>
    public static string Format(long bytes) => bytes switch
    {
        < 1000 => string.Create(CultureInfo.InvariantCulture, $"{bytes} B"),
        < 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e3:F1} kB"),
        < 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:F1} MB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:F2} GB"),
    };
}
