using System.Globalization;
using System.Net.Sockets;
using Microsoft.Extensions.Hosting.Systemd;

namespace Ipcs.Node.Daemon;

/// <summary>
/// Reports the daemon's state to systemd when systemd has started it. Owns the loop that sends the watchdog's keep-alive.
/// Protocol: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html.
/// </summary>
internal sealed partial class ServiceManager : IAsyncDisposable
{
    private readonly ISystemdNotifier _notifier;
    private readonly TimeSpan? _interval;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stop = new();
    private readonly ILogger _logger;
    private Task _watchdog = Task.CompletedTask;

    public ServiceManager(TimeProvider time, ILogger logger)
        : this(new SystemdNotifier(), WatchdogTime(), time, logger)
    {
    }

    /// <summary>Creates the manager for a given notifier; without an interval there is no watchdog.</summary>
    internal ServiceManager(ISystemdNotifier notifier, TimeSpan? interval, TimeProvider time, ILogger logger)
    {
        _notifier = notifier;
        _interval = interval;
        _time = time;
        _logger = logger;
    }

    /// <summary>Reports that all sockets are open, and starts the watchdog's keep-alive. Called once.</summary>
    public void Ready()
    {
        Notify(ServiceState.Ready);
        if (_notifier.IsEnabled && _interval is { } interval)
        {
            _watchdog = KeepAliveAsync(interval);
        }
    }

    /// <summary>Reports that the daemon stops.</summary>
    public void Stopping() => Notify(ServiceState.Stopping);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watchdog;
        _stop.Dispose();
    }

    /// <summary>Half the watchdog timeout, as sd_watchdog_enabled(3) recommends; null when systemd does not watch this process.</summary>
    private static TimeSpan? WatchdogTime()
    {
        string? process = Environment.GetEnvironmentVariable("WATCHDOG_PID");
        bool ours = string.IsNullOrEmpty(process) || process == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        string? timeout = Environment.GetEnvironmentVariable("WATCHDOG_USEC");
        return ours && long.TryParse(timeout, NumberStyles.None, CultureInfo.InvariantCulture, out long time) && time >= 2
            ? TimeSpan.FromMicroseconds(time / 2)
            : null;
    }

    /// <summary>Sends the keep-alive from the thread pool, on which the daemon's work runs: when the pool is blocked, it stops.</summary>
    private async Task KeepAliveAsync(TimeSpan interval)
    {
        using var timer = new PeriodicTimer(interval, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                Notify(new ServiceState("WATCHDOG=1"));
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
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
            LogNotifyFailed(e.Message);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "sd_notify failed: {Reason}")]
    private partial void LogNotifyFailed(string reason);
}
