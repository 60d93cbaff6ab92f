namespace Ipcs.Bitswap;

/// <summary>
/// Lets so many bytes a second pass, those who wait in the order in which they came: whoever takes a message's worth and queues again shares
/// the rate evenly by bytes. Thread-safe.
/// </summary>
internal sealed class ByteRate(long bytesPerSecond, TimeProvider time)
{
    /// <summary>What may pass at once after a pause.</summary>
    private static readonly TimeSpan Burst = TimeSpan.FromMilliseconds(50);

    private readonly Lock _lock = new();
    private long _freeAt;

    /// <summary>Completes when <paramref name="bytes"/> may pass.</summary>
    public ValueTask TakeAsync(long bytes, CancellationToken cancellationToken)
    {
        if (bytesPerSecond <= 0)
        {
            return ValueTask.CompletedTask;
        }

        TimeSpan wait;
        lock (_lock)
        {
            long now = time.GetTimestamp();
            long start = Math.Max(_freeAt, now - (long)(Burst.TotalSeconds * time.TimestampFrequency));
            wait = time.GetElapsedTime(now, start);
            _freeAt = start + (long)((double)bytes / bytesPerSecond * time.TimestampFrequency);
        }

        return wait <= TimeSpan.Zero ? ValueTask.CompletedTask : new ValueTask(Task.Delay(wait, time, cancellationToken));
    }
}
