using Ipcs.Libp2p.Swarm;
using static Ipcs.Libp2p.Tests.TestHost;

namespace Ipcs.Libp2p.Tests.Swarm;

/// <summary>The memory of a connection without traffic.</summary>
[Collection(Alone.Name)]
public sealed class IdleConnectionTests
{
    private const int Count = 150;

    [Theory]
    [InlineData("mplex")]
    [InlineData("yamux")]
    public async Task An_idle_connection_takes_little_memory(string muxer)
    {
        await using Host hub = await StartAsync(Options(muxer));
        List<Host> hosts = [.. Enumerable.Range(0, 2 * Count).Select(_ => new Host(Options(muxer)))];

        // The first half fills the buffer pools, which all connections share.
        await ConnectAsync(hub, hosts[..Count]);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        await ConnectAsync(hub, hosts[Count..]);
        long each = (GC.GetTotalMemory(forceFullCollection: true) - before) / (2 * Count);

        // Both ends are in this process; each may take 40 KB.
        Assert.InRange(each, 0, 40_000);
        await Task.WhenAll(hosts.Select(h => h.DisposeAsync().AsTask()));
    }

    private static async Task ConnectAsync(Host hub, List<Host> hosts)
    {
        foreach (Host host in hosts)
        {
            await host.ConnectAsync(hub.ListenAddresses[0], Cancel);
        }

        await UntilAsync(() => hub.Peers.All(p => p.Protocols.Count > 0) && hub.GetStatistics().Streams == 0);
    }
}
