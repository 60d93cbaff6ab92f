using System.Diagnostics;
using System.Globalization;
using Ipcs.Libp2p;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Swarm;
using Ipcs.Multiformats;

namespace Ipcs.Bench.Swarm;

/// <summary>
/// One connection's speed against its ceiling, both ends in this process: <c>Ipcs.Bench.Swarm [MIB] [RUNS] [JS_MPLEX_MIBPS JS_YAMUX_MIBPS]</c>. The cases take
/// turns within each run, so that what else the machine does meets all of them; each figure is the median. Prints a Markdown table.
/// </summary>
internal static class Program
{
    private const string Open = "/open/1.0.0";
    private const int Streams = 20_000;
    private const int Connections = 500;
    private const int Idle = 400;

    private static async Task<int> Main(string[] args)
    {
        long bytes = (args.Length > 0 ? long.Parse(args[0], CultureInfo.InvariantCulture) : 512) << 20;
        int runs = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 5;
        var speeds = new Dictionary<string, List<(double Rate, double Cpu)>> { ["ceiling"] = [], ["mplex"] = [], ["yamux"] = [] };
        await using Pair mplex = await Pair.StartAsync("mplex"), yamux = await Pair.StartAsync("yamux");
        for (int run = 0; run <= runs; run++)
        {
            (double, double) ceiling = Measure(bytes, () => { Ceiling.Run(bytes); return Task.CompletedTask; });
            (double, double) overMplex = Measure(bytes, () => mplex.PerfAsync(bytes));
            (double, double) overYamux = Measure(bytes, () => yamux.PerfAsync(bytes));
            if (run > 0)
            {
                // The first run warms up.
                speeds["ceiling"].Add(ceiling);
                speeds["mplex"].Add(overMplex);
                speeds["yamux"].Add(overYamux);
            }
        }

        double top = Median(speeds["ceiling"].Select(s => s.Rate));
        Console.WriteLine("| one stream, one loopback connection | MiB/s | of the ceiling | of js-libp2p | CPU s per GiB, both ends |");
        Console.WriteLine("|---|---|---|---|---|");
        for (int i = 0; i < 3; i++)
        {
            string name = new[] { "ceiling", "mplex", "yamux" }[i];
            double rate = Median(speeds[name].Select(s => s.Rate)), cpu = Median(speeds[name].Select(s => s.Cpu));
            string js = i > 0 && args.Length > 1 + i ? string.Create(CultureInfo.InvariantCulture, $"{rate / double.Parse(args[1 + i], CultureInfo.InvariantCulture):F1} x") : "";
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {rate:F0} | {rate / top:P0} | {js} | {cpu:F2} |"));
        }

        Console.WriteLine();
        Console.WriteLine("| | mplex | yamux |");
        Console.WriteLine("|---|---|---|");
        Row("new streams a second, one connection", await mplex.StreamsAsync(Streams), await yamux.StreamsAsync(Streams));
        Row("connections with handshake a second", await ConnectAsync("mplex"), await ConnectAsync("yamux"));
        Row("bytes of an idle connection, one end", await IdleAsync("mplex"), await IdleAsync("yamux"));
        return 0;
    }

    private static void Row(string what, double mplex, double yamux) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {what} | {mplex:F0} | {yamux:F0} |"));

    private static (double Rate, double Cpu) Measure(long bytes, Func<Task> body)
    {
        using var process = Process.GetCurrentProcess();
        TimeSpan cpu = process.TotalProcessorTime;
        long start = Stopwatch.GetTimestamp();
        body().GetAwaiter().GetResult();
        TimeSpan time = Stopwatch.GetElapsedTime(start);
        process.Refresh();
        double mib = bytes / 1048576.0;
        return (mib / time.TotalSeconds, (process.TotalProcessorTime - cpu).TotalSeconds / mib * 1024);
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }

    /// <summary>Dials from many hosts, some at once, and waits until each is identified.</summary>
    private static async Task<double> ConnectAsync(string muxer)
    {
        await using Host hub = await Pair.HostAsync(muxer, listen: true);
        var hosts = new List<Host>();
        for (int i = 0; i < Connections; i++)
        {
            hosts.Add(await Pair.HostAsync(muxer, listen: false));
        }

        long start = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(hosts, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (host, cancel) => await host.ConnectAsync(hub.ListenAddresses[0], cancel));
        double rate = Connections / Stopwatch.GetElapsedTime(start).TotalSeconds;
        await Parallel.ForEachAsync(hosts, async (host, _) => await host.DisposeAsync());
        return rate;
    }

    /// <summary>Both ends lie in this process; the hosts around them were there before.</summary>
    private static async Task<double> IdleAsync(string muxer)
    {
        await using Host hub = await Pair.HostAsync(muxer, listen: true);
        var hosts = new List<Host>();
        for (int i = 0; i < Idle; i++)
        {
            hosts.Add(await Pair.HostAsync(muxer, listen: false));
        }

        // The first half fills the pools of buffers, which are nobody's own.
        await ConnectAllAsync(hub, hosts[..(Idle / 2)]);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        await ConnectAllAsync(hub, hosts[(Idle / 2)..]);
        double each = (GC.GetTotalMemory(forceFullCollection: true) - before) / (double)Idle;
        await Parallel.ForEachAsync(hosts, async (host, _) => await host.DisposeAsync());
        return each;
    }

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

    /// <summary>Two connected hosts.</summary>
    private sealed class Pair(Host dialler, Host listener) : IAsyncDisposable
    {
        public static async Task<Pair> StartAsync(string muxer)
        {
            Host listener = await HostAsync(muxer, listen: true), dialler = await HostAsync(muxer, listen: false);
            await dialler.ConnectAsync(listener.ListenAddresses[0], CancellationToken.None);
            return new Pair(dialler, listener);
        }

        public static async Task<Host> HostAsync(string muxer, bool listen)
        {
            var host = new Host(new HostOptions
            {
                KeyPair = KeyPair.Generate(), Muxers = [muxer], ListenAddresses = listen ? [Multiaddr.Parse("/ip4/127.0.0.1/tcp/0")] : [],
            });
            host.Handle(Open, async (stream, cancel) =>
            {
                byte[] one = new byte[1];
                while (await stream.ReadAsync(one, cancel) > 0)
                {
                    await stream.WriteAsync(one, cancel);
                }
            });
            await host.StartAsync(CancellationToken.None);
            return host;
        }

        public Task PerfAsync(long bytes) => dialler.PerfAsync(listener.LocalPeer, bytes, 0, CancellationToken.None);

        /// <summary>Opens streams, sends a byte over each, waits for it to come back, and closes them.</summary>
        public async Task<double> StreamsAsync(int count)
        {
            await OpenAsync(count / 10);
            long start = Stopwatch.GetTimestamp();
            await OpenAsync(count);
            return count / Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        public async ValueTask DisposeAsync()
        {
            await dialler.DisposeAsync();
            await listener.DisposeAsync();
        }

        private Task OpenAsync(int count) => Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = 100 }, async (_, cancel) =>
        {
            await using PeerStream stream = await dialler.OpenStreamAsync(listener.LocalPeer, [Open], cancel);
            byte[] one = new byte[1];
            await stream.WriteAsync(one, cancel);
            await stream.CloseWriteAsync(cancel);
            while (await stream.ReadAsync(one, cancel) > 0)
            {
                // Until the other end has closed it.
            }
        });
    }
}
