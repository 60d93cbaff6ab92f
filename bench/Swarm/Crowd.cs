using System.Diagnostics;
using Ipcs.Libp2p.Swarm;

namespace Ipcs.Bench.Swarm;

/// <summary>Many hosts in this process that connect to one.</summary>
internal static class Crowd
{
    private const int AtOnce = 16;

    /// <summary>Connections per second, from the dial to the peer's identify answer.</summary>
    public static async Task<double> ConnectionsAsync(string muxer, int count)
    {
        await using Host hub = await Pair.HostAsync(muxer, listen: true);
        List<Host> hosts = await HostsAsync(muxer, count);
        long start = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(
            hosts,
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
            async (host, cancel) => await host.ConnectAsync(hub.ListenAddresses[0], cancel));
        double rate = count / Stopwatch.GetElapsedTime(start).TotalSeconds;
        await EndAsync(hosts);
        return rate;
    }

    /// <summary>
    /// Managed memory of one end of an idle connection, in bytes. Both ends are in this process; their hosts exist before.
    /// </summary>
    public static async Task<double> IdleBytesAsync(string muxer, int count)
    {
        await using Host hub = await Pair.HostAsync(muxer, listen: true);
        List<Host> hosts = await HostsAsync(muxer, count);

        // The first half fills the buffer pools, which belong to no connection.
        await ConnectAllAsync(hub, hosts[..(count / 2)]);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        await ConnectAllAsync(hub, hosts[(count / 2)..]);
        double each = (GC.GetTotalMemory(forceFullCollection: true) - before) / (double)count;
        await EndAsync(hosts);
        return each;
    }

    private static async Task<List<Host>> HostsAsync(string muxer, int count)
    {
        var hosts = new List<Host>();
        for (int i = 0; i < count; i++)
        {
            hosts.Add(await Pair.HostAsync(muxer, listen: false));
        }

        return hosts;
    }

    private static Task EndAsync(List<Host> hosts) => Parallel.ForEachAsync(hosts, async (host, _) => await host.DisposeAsync());

    private static async Task ConnectAllAsync(Host hub, List<Host> hosts)
    {
        foreach (Host host in hosts)
        {
            await host.ConnectAsync(hub.ListenAddresses[0], CancellationToken.None);
        }

        while (hub.GetStatistics().Streams > 0 || hub.Peers.Any(p => p.Protocols.Count == 0))
        {
            await Task.Delay(10);
        }
    }
}
