using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Ipcs.Bench.Swarm;

/// <summary>
/// The rate of one connection compared with that of its cipher, both ends in this process: <c>Ipcs.Bench.Swarm [MIB] [RUNS]
/// [JS_MPLEX_MIBPS JS_YAMUX_MIBPS FIGURE]</c>. The cases alternate within each run, so that other load on the machine affects all of
/// them; each figure is the median. Prints Markdown tables, and writes the rates to FIGURE for bench/Plot.
/// WORK=speed|streams|connections|idle measures only that, for a profiler.
/// </summary>
internal static class Program
{
    private const int Streams = 20_000;
    private const int StreamsAtOnce = 100;
    private const int Connections = 400;
    private static readonly string[] Muxers = ["mplex", "yamux"];

    private static async Task<int> Main(string[] args)
    {
        int mib = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 512;
        int runs = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 5;
        double[] js = [.. args.Skip(2).Take(2).Select(a => double.Parse(a, CultureInfo.InvariantCulture))];
        if (Wanted("speed"))
        {
            Dictionary<string, Speed> speeds = await SpeedsAsync((long)mib << 20, runs);
            Print(mib, runs, speeds, js);
            if (args.Length > 4)
            {
                Draw(args[4], speeds, js);
            }
        }

        if (Wanted("streams") || Wanted("connections") || Wanted("idle"))
        {
            Line($"\n| medians of {runs} runs | mplex | yamux | goal |\n|---|---|---|---|");
        }

        if (Wanted("streams"))
        {
            await using Pair mplex = await Pair.StartAsync("mplex"), yamux = await Pair.StartAsync("yamux");
            await RowAsync(
                "new streams a second, one connection", "at least 20000", runs, m => StreamsAsync(m == "mplex" ? mplex : yamux));
        }

        if (Wanted("connections"))
        {
            await RowAsync("connections with handshake a second", "at least 500", runs, m => Crowd.ConnectionsAsync(m, Connections));
        }

        if (Wanted("idle"))
        {
            await RowAsync(
                "KB of an idle connection, one end", "under 40", 1, async m => await Crowd.IdleBytesAsync(m, Connections) / 1000);
        }

        return 0;
    }

    private static bool Wanted(string work) => (Environment.GetEnvironmentVariable("WORK") ?? work) == work;

    private static void Line(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    private static async Task<Dictionary<string, Speed>> SpeedsAsync(long bytes, int runs)
    {
        await using Pair mplex = await Pair.StartAsync("mplex"), yamux = await Pair.StartAsync("yamux");
        var all = new Dictionary<string, List<Speed>> { ["ceiling"] = [], ["mplex"] = [], ["yamux"] = [] };
        for (int run = 0; run <= runs; run++)
        {
            Speed[] speeds =
            [
                await MeasureAsync(bytes, () => Task.Run(() => Ceiling.Run(bytes))),
                await MeasureAsync(bytes, () => mplex.PerfAsync(bytes)),
                await MeasureAsync(bytes, () => yamux.PerfAsync(bytes)),
            ];
            if (run > 0)
            {
                // The first run is a warm-up.
                all["ceiling"].Add(speeds[0]);
                all["mplex"].Add(speeds[1]);
                all["yamux"].Add(speeds[2]);
            }
        }

        return all.ToDictionary(
            a => a.Key, a => new Speed(Median(a.Value.Select(s => s.MiBps)), Median(a.Value.Select(s => s.CpuPerGiB))));
    }

    private static async Task<Speed> MeasureAsync(long bytes, Func<Task> body)
    {
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        long start = Stopwatch.GetTimestamp();
        await body();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        double mib = bytes / 1048576.0;
        return new Speed(mib / seconds, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds / mib * 1024);
    }

    private static void Print(int mib, int runs, Dictionary<string, Speed> speeds, double[] js)
    {
        Line($"One stream of {mib} MiB on one loopback connection, medians of {runs} alternating runs:\n");
        Line($"| | MiB/s | of the cipher | at least | of js-libp2p | at least | CPU s per GiB, both ends |");
        Line($"|---|---|---|---|---|---|---|");
        Speed top = speeds["ceiling"];
        Line($"| the bare cipher | {top.MiBps:F0} | | | | | {top.CpuPerGiB:F2} |");
        for (int i = 0; i < Muxers.Length; i++)
        {
            Speed speed = speeds[Muxers[i]];
            string times = js.Length == 2 ? string.Create(CultureInfo.InvariantCulture, $"{speed.MiBps / js[i]:F1} x") : "";
            double share = speed.MiBps / top.MiBps * 100;
            Line($"| ipcs, {Muxers[i]} | {speed.MiBps:F0} | {share:F0} % | 60 % | {times} | 4 x | {speed.CpuPerGiB:F2} |");
        }

        for (int i = 0; i < js.Length; i++)
        {
            Line($"| js-libp2p, {Muxers[i]} | {js[i]:F0} | {js[i] / top.MiBps * 100:F0} % | | | | |");
        }
    }

    private static void Draw(string path, Dictionary<string, Speed> speeds, double[] js)
    {
        using FileStream file = File.Create(path);
        using var json = new Utf8JsonWriter(file, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("Title", "One stream on one loopback connection");
        json.WriteString("Unit", "MiB/s");
        Array("Rows");
        foreach (string muxer in Muxers)
        {
            json.WriteStringValue(muxer);
        }

        json.WriteEndArray();
        json.WriteStartObject("Series");
        Bars("ceiling", Muxers.Select(_ => speeds["ceiling"].MiBps));
        Bars("ipcs", Muxers.Select(m => speeds[m].MiBps));
        Bars("js-libp2p", js);
        json.WriteEndObject();
        json.WriteEndObject();

        void Array(string name) => json.WriteStartArray(name);
        void Bars(string name, IEnumerable<double> bars)
        {
            Array(name);
            foreach (double bar in bars)
            {
                json.WriteNumberValue(bar);
            }

            json.WriteEndArray();
        }
    }

    /// <summary>Measures both muxers alternately, after a warm-up run, and prints the medians.</summary>
    private static async Task RowAsync(string what, string goal, int runs, Func<string, Task<double>> measure)
    {
        List<double> mplex = [], yamux = [];
        for (int run = 0; run <= runs; run++)
        {
            double one = await measure("mplex"), other = await measure("yamux");
            if (run > 0)
            {
                mplex.Add(one);
                yamux.Add(other);
            }
        }

        Line($"| {what} | {Median(mplex):F0} | {Median(yamux):F0} | {goal} |");
    }

    private static async Task<double> StreamsAsync(Pair pair)
    {
        long start = Stopwatch.GetTimestamp();
        await pair.OpenAsync(Streams, StreamsAtOnce);
        return Streams / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }

    private readonly record struct Speed(double MiBps, double CpuPerGiB);
}
