using System.Globalization;
using Ipcs.Microbenchmarks;

// [MIB]      the DAG builder and reader, alone and over RocksDB, and the block store: one row each, best of three runs
// wants      the want scheduler alone: microseconds per block
// share CHUNKER,... FIRST.tar.gz... -- SECOND.tar.gz...     the blocks of the second image's layers that are missing where the first's are
if (args.Length > 0 && args[0] == "share")
{
    string[] layers = args[2..];
    int dashes = Array.IndexOf(layers, "--");
    Sharing.Print(layers[..dashes], layers[(dashes + 1)..], args[1].Split(','));
    return;
}

if (args.Length > 0 && args[0] == "wants")
{
    WantSchedulerBenchmark.Run();
    return;
}

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
    await BlockstoreBenchmark.RunAsync(file, folder);
}
finally
{
    Directory.Delete(folder, recursive: true);
}
