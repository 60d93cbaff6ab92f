using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Microbenchmarks;

/// <summary>Blocks into RocksDB, through its log and past it, and out of it at random: blocks of a content's chunks, and of small files.</summary>
internal static class BlockstoreBenchmark
{
    /// <summary>Of small blocks fewer bytes are measured: it is their number that counts.</summary>
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

            // Hashing is not what is measured.
            Multihash[] hashes = [.. Enumerable.Range(0, (int)(bytes / size)).Select(i => Multihash.Sha256(input.AsSpan(i * size, size)))];
            string what = $"blocks of {size >> 10} KiB";
            await Row.PrintAsync($"{what} in", bytes, () => ImportBenchmark.Open(folder), store => PutAsync(store, hashes, input, size, bulk: false));
            await Row.PrintAsync($"{what} in, in bulk", bytes, () => ImportBenchmark.Open(folder), store => PutAsync(store, hashes, input, size, bulk: true));
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
                throw new InvalidOperationException($"{hash} is not as it was put");
            }
        }

        return Task.CompletedTask;
    }
}
