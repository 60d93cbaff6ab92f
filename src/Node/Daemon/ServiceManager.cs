using System.Globalization;
using System.Net.Sockets;
using Microsoft.Extensions.Hosting.Systemd;

namespace Ipcs.Node.Daemon;

/// <summary>
/// Tells systemd how the daemon is, where it asks to be told. Owns the loop that answers its watchdog.
/// Protocol: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html.
/// </summary>
internal sealed partial class ServiceManager : IAsyncDisposable
{
    private readonly SystemdNotifier _notifier = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly ILogger _logger;
    private Task _watchdog = Task.CompletedTask;

    public ServiceManager(ILogger logger) => _logger = logger;

    /// <summary>All doors are open. From now on the watchdog is answered. Called once.</summary>
    public void Ready()
    {
        Notify(ServiceState.Ready);
        if (_notifier.IsEnabled && WatchdogTime() is { } time)
        {
            _watchdog = AnswerWatchdogAsync(time);
        }
    }

    /// <summary>The daemon ends.</summary>
    public void Stopping() => Notify(ServiceState.Stopping);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watchdog;
        _stop.Dispose();
    }

    /// <summary>Half of what systemd waits before it takes the daemon for hung; null when it doesn't watch this process.</summary>
    private static TimeSpan? WatchdogTime()
    {
        string? process = Environment.GetEnvironmentVariable("WATCHDOG_PID");
        bool ours = string.IsNullOrEmpty(process) || process == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        return ours && long.TryParse(Environment.GetEnvironmentVariable("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out long time) && time >= 2
            ? TimeSpan.FromMicroseconds(time / 2)
            : null;
    }

    /// <summary>Says "alive" from the thread pool, on which everything else here runs too: when that stands still, so does this.</summary>
    private async Task AnswerWatchdogAsync(TimeSpan interval)
    {
        using var timer = new PeriodicTimer(interval);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                Notify(new ServiceState("WATCHDOG=1"));
            }
        }
        catch (OperationCanceledException)
        {
            // The daemon has ended.
        }
    }

    private void Notify(ServiceState state)
    {
        try
        {
            _notifier.Notify(state);
        }
        catch (SocketException e)
        {
            LogNotTold(e.Message);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "systemd can't be told: {Reason}")]
    private partial void LogNotTold(string reason);
}
