using Ipcs.Blockstore;
using Microsoft.Extensions.Logging;

namespace Ipcs.Dag.Gc;

/// <summary>
/// Collects garbage at an interval. With a maximum size of the store, only when the store has reached nine tenths of it; blocks that are
/// needed stay even beyond the maximum. What is retained for the peers is the first to go then. Owns its loop.
/// </summary>
public sealed partial class GcSchedule : IAsyncDisposable
{
    /// <summary>The fraction of <c>storage-max</c> at which it collects, as Kubo's StorageGCWatermark.</summary>
    private const double Watermark = 0.9;

    /// <summary>The fraction of <c>storage-max</c> to which it makes room.</summary>
    private const double Target = 0.8;

    private readonly GarbageCollector _collector;
    private readonly IStore _store;
    private readonly long _storageMax;
    private readonly Retention _retention;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;

    /// <summary>Starts the loop.</summary>
    /// <param name="collector">The collector.</param>
    /// <param name="store">The store whose size is compared with <paramref name="storageMax"/>.</param>
    /// <param name="interval">The interval; zero for never.</param>
    /// <param name="storageMax">The maximum size in bytes; zero for none.</param>
    /// <param name="retention">What stays for the peers.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Logs failures.</param>
    public GcSchedule(
        GarbageCollector collector,
        IStore store,
        TimeSpan interval,
        long storageMax,
        Retention retention,
        TimeProvider time,
        ILogger<GcSchedule> logger)
    {
        _retention = retention;
        _collector = collector;
        _store = store;
        _storageMax = storageMax;
        _logger = logger;
        _loop = interval == TimeSpan.Zero ? Task.CompletedTask : RunAsync(interval, time);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
    }

    private async Task RunAsync(TimeSpan interval, TimeProvider time)
    {
        using var timer = new PeriodicTimer(interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                await TryCollectAsync();
            }
        }
        catch (OperationCanceledException)
        {
            // Disposal stops the loop.
        }
    }

    private async Task TryCollectAsync()
    {
        try
        {
            long bytes = _store.GetStatistics().Bytes;
            if (_storageMax == 0 || bytes >= _storageMax * Watermark)
            {
                long room = _storageMax == 0 ? 0 : bytes - (long)(_storageMax * Target);
                await _collector.CollectAsync(static (_, _) => { }, _retention.Since, room, _stop.Token);
            }
        }
        catch (Exception e) when (e is StoreException or DagFormatException)
        {
            // The next interval tries again.
            LogFailed(e);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "garbage collection failed")]
    private partial void LogFailed(Exception error);
}
