using Ipcs.Blockstore;
using Microsoft.Extensions.Logging;

namespace Ipcs.Dag.Gc;

/// <summary>
/// Collects by itself: every interval; with a size that the store should not exceed, only once it takes nine tenths of that (what is needed stays,
/// however large it is). Owns its loop.
/// </summary>
public sealed partial class GcSchedule : IAsyncDisposable
{
    /// <summary>The part of <c>storage-max</c> from which on it collects, as Kubo's StorageGCWatermark.</summary>
    private const double Watermark = 0.9;

    private readonly GarbageCollector _collector;
    private readonly IStore _store;
    private readonly long _storageMax;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;

    /// <summary>Begins.</summary>
    /// <param name="collector">Who collects.</param>
    /// <param name="store">Whose size is looked at.</param>
    /// <param name="interval">How often; zero for never.</param>
    /// <param name="storageMax">In bytes; zero for none.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where failures go.</param>
    public GcSchedule(GarbageCollector collector, IStore store, TimeSpan interval, long storageMax, TimeProvider time, ILogger<GcSchedule> logger)
    {
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
            // The daemon stops.
        }
    }

    private async Task TryCollectAsync()
    {
        try
        {
            if (_storageMax == 0 || _store.GetStatistics().Bytes >= _storageMax * Watermark)
            {
                await _collector.CollectAsync(static (_, _) => { }, _stop.Token);
            }
        }
        catch (Exception e) when (e is StoreException or DagFormatException)
        {
            // The next interval tries again.
            LogFailed(e);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "the garbage collection failed")]
    private partial void LogFailed(Exception error);
}
