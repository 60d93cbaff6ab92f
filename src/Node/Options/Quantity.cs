using System.Globalization;
using Ipcs.Multiformats;

namespace Ipcs.Node.Options;

/// <summary>Parses and formats times, sizes and rates.</summary>
internal static class Quantity
{
    // The longest time of a timer.
    private static readonly TimeSpan MaxDuration = TimeSpan.FromDays(49);

    // At this rate the largest block, 2 MiB, takes 16 s; a want for a block times out after 20 s.
    private const long MinRate = 128 << 10;

    /// <summary>A time such as <c>90s</c>, <c>30m</c>, <c>1h</c> or <c>2d</c>; <c>off</c> and 0 are zero.</summary>
    /// <exception cref="FormatException">The text is not a time.</exception>
    public static TimeSpan Duration(string text)
    {
        if (text is "off" or "0")
        {
            return TimeSpan.Zero;
        }

        TimeSpan unit = text is [.., 's'] ? TimeSpan.FromSeconds(1)
            : text is [.., 'm'] ? TimeSpan.FromMinutes(1)
            : text is [.., 'h'] ? TimeSpan.FromHours(1)
            : text is [.., 'd'] ? TimeSpan.FromDays(1)
            : TimeSpan.Zero;
        return unit != TimeSpan.Zero
            && int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out int n)
            && n > 0 && n <= MaxDuration / unit
            ? n * unit
            : throw new FormatException($"'{text}' is not off or a time such as 90s, 30m, 1h or 2d, at most {MaxDuration.TotalDays} days");
    }

    /// <summary>A size such as <c>500MB</c>, <c>10GiB</c> or a number of bytes; <c>off</c> and 0 are zero.</summary>
    /// <exception cref="FormatException">The text is not a size.</exception>
    public static long Size(string text)
    {
        if (text is "off")
        {
            return 0;
        }

        return ByteSize.TryParse(text, out long bytes)
            ? bytes
            : throw new FormatException($"'{text}' is not off or a size such as 500MB, 10GiB or a number of bytes");
    }

    /// <summary>Bytes per second such as <c>20MiB</c> or <c>20MiB/s</c>; <c>off</c> and 0 are zero.</summary>
    /// <exception cref="FormatException">The text is not a rate, or the rate is so low that wants for blocks would time out.</exception>
    public static long Rate(string text) =>
        Size(text.EndsWith("/s", StringComparison.Ordinal) ? text[..^2] : text) is var rate && rate is 0 or >= MinRate
            ? rate
            : throw new FormatException($"'{text}' is less than 128KiB a second");

    /// <summary>Formats a time so that <see cref="Duration"/> can parse it.</summary>
    public static string Text(TimeSpan time) =>
        time == TimeSpan.Zero ? "off" : string.Create(CultureInfo.InvariantCulture, $"{(long)time.TotalSeconds}s");

    /// <summary>Formats a size so that <see cref="Size"/> can parse it.</summary>
    public static string Text(long size) => size == 0 ? "off" : size.ToString(CultureInfo.InvariantCulture);
}
