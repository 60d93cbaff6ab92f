using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

// store-bench FOLDER [MEGABYTES]     blocks of 256 KiB into the store and out of it, beside one appended file; a Markdown table
const int BlockLength = 256 * 1024;
const int Runs = 3;
string folder = Path.Combine(args[0], $"store-bench-{Environment.ProcessId}");
int count = int.Parse(args.Length > 1 ? args[1] : "1024", CultureInfo.InvariantCulture) * (1 << 20) / BlockLength;
byte[] data = GC.AllocateUninitializedArray<byte>(BlockLength);
new Random(1).NextBytes(data);
Multihash[] hashes = new Multihash[count];
long peak = 0;
Dictionary<string, List<double>> rates = [];

for (int i = 0; i < count; i++)
    hashes[i] = Multihash.Sha256(BitConverter.GetBytes(i));
for (int run = 0; run < Runs; run++)
{
    Directory.CreateDirectory(folder);
    try
    {
        RunFile();
        RunStore();
    }
    finally
    {
        Directory.Delete(folder, recursive: true);
    }
}

Console.WriteLine($"{count} blocks of 256 KiB, median of {Runs} runs, MB/s\n");
Console.WriteLine("| | one appended file | store | store / file |");
Console.WriteLine("|---|---|---|---|");
foreach (string what in (string[])["put, then sync", "get, 1 thread", "get, 2 threads"])
{
    double file = Median($"file {what}");
    double store = Median($"store {what}");
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {what} | {file:F0} | {store:F0} | {store / file:F2} |"));
}

Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"\nResident memory, the most that was seen with the store open: {peak >> 20} MB"));

void RunFile()
{
    string name = Path.Combine(folder, "file");
    using (FileStream file = new(name, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0))
    {
        Time("file put, then sync", () =>
        {
            for (int i = 0; i < count; i++)
            {
                Stamp(i);
                file.Write(data);
            }

            file.Flush(flushToDisk: true);
        });
    }

    using Microsoft.Win32.SafeHandles.SafeFileHandle handle = File.OpenHandle(name);
    foreach (int threads in (int[])[1, 2])
    {
        Time($"file get, {threads} thread{(threads > 1 ? "s" : "")}", () => Parallel(threads, i =>
        {
            byte[] buffer = ArrayPool<byte>.Shared.Rent(BlockLength);
            Check(RandomAccess.Read(handle, buffer.AsSpan(0, BlockLength), (long)i * BlockLength), buffer, i);
            ArrayPool<byte>.Shared.Return(buffer);
        }));
    }

    File.Delete(name);
}

void RunStore()
{
    using RocksStore store = RocksStore.Open(Path.Combine(folder, "store"));
    Time("store put, then sync", () =>
    {
        for (int i = 0; i < count; i++)
        {
            Stamp(i);
            store.Blocks.Put(hashes[i], data);
            if (i % 64 == 0)
                Watch();
        }

        store.Commit(new ContentRecord { Digest = new Digest(hashes[0]), Kind = ContentKind.Blob, Root = Cid.V1(Multicodec.Raw, hashes[0]), Size = 1 }, null);
    });
    foreach (int threads in (int[])[1, 2])
    {
        Time($"store get, {threads} thread{(threads > 1 ? "s" : "")}", () => Parallel(threads, i =>
        {
            using IMemoryOwner<byte> block = store.Blocks.Get(hashes[i])!;
            Check(block.Memory.Length, block.Memory.Span, i);
        }));
        Watch();
    }
}

void Stamp(int i) => BitConverter.TryWriteBytes(data, i);

void Check(int length, ReadOnlySpan<byte> block, int i)
{
    if (length != BlockLength || BitConverter.ToInt32(block) != i)
        throw new InvalidDataException($"block {i} is not what was put");
}

void Parallel(int threads, Action<int> get)
{
    Thread[] workers = [.. Enumerable.Range(0, threads).Select(first => new Thread(() =>
    {
        for (int i = first; i < count; i += threads)
            get(i);
    }))];
    Array.ForEach(workers, worker => worker.Start());
    Array.ForEach(workers, worker => worker.Join());
}

void Watch() => peak = Math.Max(peak, Environment.WorkingSet);

void Time(string what, Action action)
{
    long started = Stopwatch.GetTimestamp();
    action();
    double rate = (double)count * BlockLength / 1e6 / Stopwatch.GetElapsedTime(started).TotalSeconds;
    rates.TryAdd(what, []);
    rates[what].Add(rate);
}

double Median(string what) => rates[what].Order().ElementAt(Runs / 2);
