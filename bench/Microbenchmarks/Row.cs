using System.Diagnostics;
using System.Globalization;

namespace Ipcs.Microbenchmarks;

/// <summary>Measures an operation and prints a row of the table.</summary>
/// <remarks>
/// An operation here is a whole file or store, once per run, and its figures are bytes per second, processor time of all threads and
/// resident memory: what a harness for calls of nanoseconds does not measure.
/// </remarks>
internal static class Row
{
    private const int Runs = 3;

    /// <summary>Runs the operation some times and prints the fastest run.</summary>
    /// <param name="name">The row's first cell.</param>
    /// <param name="bytes">Bytes handled in one run.</param>
    /// <param name="prepare">Makes the state of a run; neither that nor its disposal is measured.</param>
    /// <param name="run">The operation.</param>
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

    /// <summary>The peak memory of the process so far, in bytes: rows are in the order of their memory use.</summary>
    private static long PeakRss() => File.ReadLines("/proc/self/status")
        .Where(line => line.StartsWith("VmHWM:", StringComparison.Ordinal))
        .Select(line => 1024 * long.Parse(line["VmHWM:".Length..^2], NumberStyles.Integer, CultureInfo.InvariantCulture))
        .Single();
}
