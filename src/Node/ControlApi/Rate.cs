using System.Globalization;
using Ipcs.Oci;

namespace Ipcs.Node.ControlApi;

/// <summary>Says how far a transfer is: bytes, rate and the time left.</summary>
internal sealed class Rate
{
    private readonly long _begin = TimeProvider.System.GetTimestamp();

    /// <summary>A line for people.</summary>
    public string Describe(TransferProgress progress)
    {
        double seconds = TimeProvider.System.GetElapsedTime(_begin).TotalSeconds;
        double rate = progress.Done / Math.Max(seconds, 0.001);
        double left = rate > 0 ? (progress.Total - progress.Done) / rate : 0;
        return string.Create(CultureInfo.InvariantCulture, $"{Size(progress.Done)} of {Size(progress.Total)}, {Size((long)rate)}/s, {left:F0} s left");
    }

    /// <summary>Bytes in units of a thousand.</summary>
    public static string Size(long bytes) => bytes switch
    {
        < 1000 => string.Create(CultureInfo.InvariantCulture, $"{bytes} B"),
        < 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e3:F1} kB"),
        < 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:F1} MB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:F2} GB"),
    };
}
