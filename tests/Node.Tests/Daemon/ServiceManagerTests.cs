using System.Threading.Channels;
using Ipcs.Node.Daemon;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Ipcs.Node.Tests.Daemon;

public sealed class ServiceManagerTests
{
    [Fact]
    public async Task The_keep_alive_is_sent_once_per_interval_and_not_after_disposal()
    {
        var time = new FakeTimeProvider();
        var notifier = new Notifier();
        TimeSpan interval = TimeSpan.FromSeconds(15);
        var manager = new ServiceManager(notifier, interval, time, NullLogger.Instance);
        manager.Ready();
        Assert.Equal("READY=1", await notifier.NextAsync());
        for (int i = 0; i < 3; i++)
        {
            time.Advance(interval - TimeSpan.FromTicks(1));
            Assert.Equal(0, notifier.Unread);
            time.Advance(TimeSpan.FromTicks(1));
            Assert.Equal("WATCHDOG=1", await notifier.NextAsync());
        }

        manager.Stopping();
        Assert.Equal("STOPPING=1", await notifier.NextAsync());
        await manager.DisposeAsync();
        time.Advance(interval);
        Assert.Equal(0, notifier.Unread);
    }

    private sealed class Notifier : ISystemdNotifier
    {
        private readonly Channel<string> _states = Channel.CreateUnbounded<string>();

        public bool IsEnabled => true;

        public int Unread => _states.Reader.Count;

        public void Notify(ServiceState state) => _states.Writer.TryWrite(state.ToString());

        public async Task<string> NextAsync() => await _states.Reader.ReadAsync(TestContext.Current.CancellationToken);
    }
}
