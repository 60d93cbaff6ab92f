using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Ipcs.Libp2p.Swarm;
using static Ipcs.Libp2p.Tests.TestHost;

namespace Ipcs.Libp2p.Tests.Swarm;

/// <summary>A host's counters, read directly and by a metrics listener.</summary>
public sealed class SwarmMeterTests
{
    [Fact]
    public async Task Bytes_and_failures_are_counted()
    {
        await using Host hub = await StartAsync(Options(limits: new HostLimits { MaxConnectionsPerAddress = 1 }));
        await using Host first = await StartAsync(Options());
        await using Host second = await StartAsync(Options());
        await first.ConnectAsync(hub.ListenAddresses[0], Cancel);
        await EchoAsync(first, hub.LocalPeer, new byte[100_000]);
        await Assert.ThrowsAsync<ConnectException>(() => second.ConnectAsync(hub.ListenAddresses[0], Cancel));

        HostStatistics at = hub.GetStatistics();
        Assert.Equal((1, 1, 0), (at.Connections, at.RefusedHandshakes, at.FailedDials));
        Assert.InRange(at.BytesReceived, 100_000, 200_000);
        Assert.InRange(at.BytesSent, 100_000, 200_000);
        Assert.Equal((1, 0), (second.GetStatistics().FailedDials, second.GetStatistics().RefusedHandshakes));
        await UntilAsync(() => first.GetStatistics().BytesSent >= hub.GetStatistics().BytesReceived);
    }

    [Fact]
    public async Task A_listener_sees_every_metric()
    {
        // Other hosts in this process have meters of the same name: take the greatest value of any of them.
        var seen = new ConcurrentDictionary<string, long>(StringComparer.Ordinal);
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listening) =>
            {
                if (instrument.Meter.Name == "ipcs.swarm")
                {
                    listening.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>(
            (instrument, value, _, _) => seen.AddOrUpdate(instrument.Name, value, (_, old) => Math.Max(old, value)));
        listener.Start();
        await using Host hub = await StartAsync(Options());
        await using Host one = await StartAsync(Options());
        await one.ConnectAsync(hub.ListenAddresses[0], Cancel);
        listener.RecordObservableInstruments();
        Assert.Superset(
            new HashSet<string>(
                ["bytes_received", "bytes_sent", "dials_failed", "handshakes_refused", "closed_for_room", "connections", "streams",
                    "handshakes", "buffered"],
                StringComparer.Ordinal),
            new HashSet<string>(seen.Keys, StringComparer.Ordinal));
        Assert.All(["bytes_received", "bytes_sent", "connections"], name => Assert.True(seen[name] > 0, name));
    }
}
