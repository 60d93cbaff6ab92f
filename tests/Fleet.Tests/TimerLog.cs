using System.Collections.Concurrent;
using Microsoft.Extensions.Time.Testing;

namespace Ipcs.Fleet.Tests;

/// <summary>A clock that stands still until a test advances it, and that knows which timers were started.</summary>
internal sealed class TimerLog : FakeTimeProvider
{
    private readonly ConcurrentQueue<TimeSpan> _started = new();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ITimer timer = base.CreateTimer(callback, state, dueTime, period);
        _started.Enqueue(dueTime);
        return timer;
    }

    /// <summary>How many timers were started with a due time, to the millisecond.</summary>
    public int Started(TimeSpan dueTime) => _started.Count(t => (long)t.TotalMilliseconds == (long)dueTime.TotalMilliseconds);

    /// <summary>How many timers were started with a due time of at most this.</summary>
    public int StartedWithin(TimeSpan longest) => _started.Count(t => t <= longest);

    /// <summary>Waits until a timer was started with a due time, to the millisecond.</summary>
    public async Task StartedAsync(TimeSpan dueTime)
    {
        while (Started(dueTime) == 0)
        {
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }
    }
}
