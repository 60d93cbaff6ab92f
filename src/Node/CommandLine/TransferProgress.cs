using System.Globalization;

namespace Ipcs.Node.CommandLine;

/// <summary>Shows how far a transfer is, in place, on a terminal; nothing when standard error is piped.</summary>
internal sealed class TransferProgress(long? total) : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB"];

    private readonly bool _visible = !Console.IsErrorRedirected;
    private readonly long _begin = TimeProvider.System.GetTimestamp();
    private TimeSpan _shown;
    private long _bytes;

    /// <summary>So many bytes more have gone.</summary>
    public void Add(long bytes)
    {
        _bytes += bytes;
        if (_visible && TimeProvider.System.GetElapsedTime(_begin) is var time && time - _shown >= Interval)
        {
            _shown = time;
            Console.Error.Write($"\r\x1b[K{Line(_bytes, total, time)}");
        }
    }

    /// <summary>Clears the line.</summary>
    public void Dispose()
    {
        if (_shown > TimeSpan.Zero)
        {
            Console.Error.Write("\r\x1b[K");
        }
    }

    /// <summary>Bytes, rate, and what is left where the total is known.</summary>
    internal static string Line(long bytes, long? total, TimeSpan time)
    {
        double rate = bytes / Math.Max(time.TotalSeconds, 1e-3);
        string all = total is { } t ? $" of {Size(t)}" : "";
        string left = total is { } end && rate > 0 ? string.Create(CultureInfo.InvariantCulture, $", {Math.Max(0, end - bytes) / rate:F0} s left") : "";
        return $"{Size(bytes)}{all}, {Size((long)rate)}/s{left}";
    }

    private static string Size(long bytes)
    {
        double size = bytes;
        int unit = 0;
        for (; size >= 1024 && unit < Units.Length - 1; unit++)
        {
            size /= 1024;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{size.ToString(unit == 0 ? "F0" : "F1", CultureInfo.InvariantCulture)} {Units[unit]}");
    }
}
