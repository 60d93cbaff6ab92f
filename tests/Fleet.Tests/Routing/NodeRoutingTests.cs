using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Fleet.Routing;
using Ipcs.Kademlia;
using Ipcs.Kademlia.Reproviding;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.Fleet.Tests.Routing;

/// <summary>When the store is scanned for keys to announce.</summary>
public sealed class NodeRoutingTests
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_pin_is_announced_with_the_next_periodic_scan_and_a_changed_store_at_once()
    {
        var time = new TimerLog();
        var store = new MemoryStore();
        var options = new RoutingOptions { Dht = new DhtOptions() };
        await using var routing = new NodeRouting(options, new DialLog(time), store, time, new Random(7), NullLoggerFactory.Instance);
        Reprovider reprovider = routing.Reprovider!;
        routing.Start();

        // The first scan begins at the start.
        await ScannedAsync(1);
        Pin(1);
        DateTimeOffset begun = time.GetUtcNow();
        await ScannedAsync(2);
        Assert.Equal(1, reprovider.Keys);
        Assert.InRange(time.GetUtcNow() - begun, Interval, Interval * 1.5);

        Pin(2);
        begun = time.GetUtcNow();
        routing.StoreChanged();
        await ScannedAsync(3);
        Assert.Equal(2, reprovider.Keys);
        Assert.InRange(time.GetUtcNow() - begun, TimeSpan.FromSeconds(1), Interval / 2);

        // A scan is over when the wait for the next one begins.
        async Task ScannedAsync(int number)
        {
            while (time.Started(Interval) <= number)
            {
                time.Advance(TimeSpan.FromMilliseconds(100));
                await Task.Delay(1, TestContext.Current.CancellationToken);
            }
        }

        void Pin(byte content) =>
            store.Pins.Put(new PinRecord(Cid.V1(Multicodec.Raw, Digest.Sha256([content]).Hash), Recursive: true, Name: ""));
    }
}
