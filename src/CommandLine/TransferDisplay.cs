using System.Globalization;

namespace Ipcs.CommandLine;

/// <summary>Shows how far a transfer is, in place, on a terminal; nothing when standard error is piped.</summary>
internal sealed class TransferDisplay : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB"];

    private readonly Lock _lock = new();
    private readonly long? _total;
    private readonly bool _visible = !Console.IsErrorRedirected;
    private readonly long _begin = TimeProvider.System.GetTimestamp();
    private readonly Timer? _watch;
    private TimeSpan _shown;
    private long _bytes;
    private bool _ended;

    /// <summary>Begins to show.</summary>
    /// <param name="total">How many bytes there are in all; null when that is not known.</param>
    /// <param name="elsewhere">How many bytes more have gone without <see cref="Add"/>; asked now and then, never after the end. May be null.</param>
    public TransferDisplay(long? total, Func<long>? elsewhere = null)
    {
        _total = total;
        _watch = _visible && elsewhere is not null ? new Timer(_ => Take(elsewhere), null, Interval, Interval) : null;
    }

    /// <summary>So many bytes more have gone.</summary>
    public void Add(long bytes)
    {
        if (_visible)
        {
            Take(() => bytes);
        }
    }

    /// <summary>Clears the line.</summary>
    public void Dispose()
    {
        _watch?.Dispose();
        lock (_lock)
        {
            if (_shown > TimeSpan.Zero && !_ended)
            {
                Console.Error.Write("\r\x1b[K");
            }

            _ended = true;
        }
    }

    private void Take(Func<long> more)
    {
        lock (_lock)
        {
            if (_ended)
            {
                return;
            }

            _bytes += more();
            if (TimeProvider.System.GetElapsedTime(_begin) is var time && time - _shown >= Interval)
            {
                _shown = time;
                Console.Error.Write($"\r\x1b[K{Line(_bytes, _total, time)}");
            }
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
