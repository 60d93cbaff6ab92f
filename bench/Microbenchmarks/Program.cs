using System.Globalization;
using Ipcs.Microbenchmarks;

// dag.sh [MIB]     the DAG builder and reader over the memory store and RocksDB: one row each, best of three, as a Markdown table
int mebibytes = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 1024;
string folder = Path.Combine(Path.GetTempPath(), $"ipcs-microbenchmarks-{Environment.ProcessId}");
Directory.CreateDirectory(folder);
try
{
    string file = Path.Combine(folder, "input");
    await Input.WriteAsync(file, (long)mebibytes << 20);
    Console.WriteLine($"| {mebibytes} MiB, {Environment.ProcessorCount} cores | MB/s | CPU s | allocated MB | peak RSS MB |");
    Console.WriteLine("|---|---|---|---|---|");
    await ImportBenchmark.RunAsync(file, folder);
    await ReadBenchmark.RunAsync(file, folder);
    await ChunkerBenchmark.RunAsync(file);
}
finally
{
    Directory.Delete(folder, recursive: true);
}
