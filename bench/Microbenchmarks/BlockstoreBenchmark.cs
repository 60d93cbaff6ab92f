using System.Buffers;
using Ipcs.Blockstore.Rocks;
using Ipcs.Multiformats;

namespace Ipcs.Microbenchmarks;

/// <summary>
/// Writes blocks to RocksDB, with and without its write-ahead log, and reads them in random order; blocks of 256 KiB and 4 KiB.
/// </summary>
internal static class BlockstoreBenchmark
{
    /// <summary>The input for small blocks is shorter by this factor: their number matters, not their bytes.</summary>
    private const int SmallPart = 8;

    public static async Task RunAsync(string file, string folder)
    {
        long length = new FileInfo(file).Length;
        foreach ((int size, long bytes) in new[] { (256 << 10, length), (4 << 10, length / SmallPart) })
        {
            byte[] input = new byte[bytes];
            await using (FileStream stream = File.OpenRead(file))
            {
                await stream.ReadExactlyAsync(input);
            }

            // Hashing is not measured.
            Multihash[] hashes = [.. Enumerable.Range(0, (int)(bytes / size)).Select(i => Multihash.Sha256(input.AsSpan(i * size, size)))];
            string what = $"blocks of {size >> 10} KiB";
            foreach ((string how, bool bulk) in new[] { ("in", false), ("in, in bulk", true) })
            {
                await Row.PrintAsync(
                    $"{what} {how}", bytes, () => ImportBenchmark.Open(folder), store => PutAsync(store, hashes, input, size, bulk));
            }

            using RocksStore full = ImportBenchmark.Open(folder);
            await PutAsync(full, hashes, input, size, bulk: true);
            Random.Shared.Shuffle(hashes);
            await Row.PrintAsync($"{what} out, at random", bytes, () => new MemoryStream(), _ => GetAsync(full, hashes, size));
        }
    }

    private static Task PutAsync(RocksStore store, Multihash[] hashes, byte[] input, int size, bool bulk)
    {
        for (int i = 0; i < hashes.Length; i++)
        {
            store.Blocks.Put(hashes[i], input.AsSpan(i * size, size), bulk);
        }

        return Task.CompletedTask;
    }

    private static Task GetAsync(RocksStore store, Multihash[] hashes, int size)
    {
        foreach (Multihash hash in hashes)
        {
            using IMemoryOwner<byte>? block = store.Blocks.Get(hash);
            if (block?.Memory.Length != size)
            {
                throw new InvalidOperationException($"{hash} is absent or changed");
            }
        }

        return Task.CompletedTask;
    }
}
