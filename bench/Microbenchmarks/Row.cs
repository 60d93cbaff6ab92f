using System.Diagnostics;
using System.Globalization;

namespace Ipcs.Microbenchmarks;

/// <summary>Times something and prints a row of the table.</summary>
internal static class Row
{
    private const int Runs = 3;

    /// <summary>Runs it some times and prints the quickest.</summary>
    /// <param name="name">The row's first cell.</param>
    /// <param name="bytes">Bytes handled in one run.</param>
    /// <param name="prepare">Makes what a run needs, untimed; disposed after it, untimed.</param>
    /// <param name="run">What is timed.</param>
    public static async Task PrintAsync<T>(string name, long bytes, Func<T> prepare, Func<T, Task> run)
        where T : IDisposable
    {
        (double Seconds, double Cpu, long Allocated) best = (double.MaxValue, 0, 0);
        for (int i = 0; i < Runs; i++)
        {
            using T state = prepare();
            GC.Collect();
            using var process = Process.GetCurrentProcess();
            TimeSpan cpu = process.TotalProcessorTime;
            long allocated = GC.GetTotalAllocatedBytes(precise: true);
            long start = Stopwatch.GetTimestamp();
            await run(state);
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            process.Refresh();
            if (seconds < best.Seconds)
            {
                best = (seconds, (process.TotalProcessorTime - cpu).TotalSeconds, GC.GetTotalAllocatedBytes(precise: true) - allocated);
            }
        }

        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {name} | {bytes / best.Seconds / 1e6:f0} | {best.Cpu:f2} | {best.Allocated / 1e6:f1} | {PeakRss() / 1e6:f0} |"));
    }

    /// <summary>The process's peak so far, in bytes: the rows stand in the order of their appetite.</summary>
    private static long PeakRss() => File.ReadLines("/proc/self/status")
        .Where(line => line.StartsWith("VmHWM:", StringComparison.Ordinal))
        .Select(line => 1024 * long.Parse(line["VmHWM:".Length..^2], NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture))
        .Single();
}
