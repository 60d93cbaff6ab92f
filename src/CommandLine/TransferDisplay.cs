using System.Globalization;

namespace Ipcs.CommandLine;

/// <summary>Shows the progress of a transfer in one line of a terminal. Shows nothing when standard error is redirected.</summary>
internal sealed class TransferDisplay : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB"];

    private readonly Lock _lock = new();
    private readonly long? _total;
    private readonly bool _visible = Terminal.ShowsProgress;
    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly ITimer? _poll;
    private TimeSpan _shown;
    private long _bytes;
    private bool _ended;

    /// <summary>Starts the display.</summary>
    /// <param name="time">The clock of the rate and of the interval between two updates.</param>
    /// <param name="total">How many bytes will be transferred; null when that is not known.</param>
    /// <param name="takeOther">
    /// Returns how many bytes were transferred, without <see cref="Add"/>, since its last call. Called regularly until the disposal. May be
    /// null.
    /// </param>
    public TransferDisplay(TimeProvider time, long? total, Func<long>? takeOther = null)
    {
        _time = time;
        _start = time.GetTimestamp();
        _total = total;
        _poll = _visible && takeOther is not null ? time.CreateTimer(_ => Update(takeOther), null, Interval, Interval) : null;
    }

    /// <summary>Adds bytes that were transferred.</summary>
    public void Add(long bytes)
    {
        if (_visible)
        {
            Update(() => bytes);
        }
    }

    /// <summary>Ends the display and clears its line.</summary>
    public void Dispose()
    {
        _poll?.Dispose();
        lock (_lock)
        {
            if (_shown > TimeSpan.Zero && !_ended)
            {
                Terminal.ClearProgress();
            }

            _ended = true;
        }
    }

    private void Update(Func<long> take)
    {
        lock (_lock)
        {
            if (_ended)
            {
                return;
            }

            _bytes += take();
            TimeSpan elapsed = _time.GetElapsedTime(_start);
            if (elapsed - _shown >= Interval)
            {
                _shown = elapsed;
                Terminal.Progress(Line(_bytes, _total, elapsed));
            }
        }
    }

    /// <summary>Bytes and mean rate, and the time left when the total is known.</summary>
    internal static string Line(long bytes, long? total, TimeSpan time)
    {
        double rate = bytes / Math.Max(time.TotalSeconds, 1e-3);
        string all = total is { } t ? $" of {Size(t)}" : "";
        string left = total is { } end && rate > 0
            ? string.Create(CultureInfo.InvariantCulture, $", {Math.Max(0, end - bytes) / rate:F0} s left")
            : "";
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

        return $"{size.ToString(unit == 0 ? "F0" : "F1", CultureInfo.InvariantCulture)} {Units[unit]}";
    }
}
