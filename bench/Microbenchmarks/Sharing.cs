using System.IO.Compression;
using System.Security.Cryptography;
using Ipcs.Dag.Chunking;
using ZstdSharp;

namespace Ipcs.Microbenchmarks;

/// <summary>
/// The blocks of an image's layers that are missing where another image's layers are, when their uncompressed tars are cut into chunks:
/// each block once, compressed with zstd -3 where that makes it smaller. Inner nodes (some 50 bytes per block) are not counted.
/// </summary>
internal static class Sharing
{
    /// <summary>Prints a row for each chunker.</summary>
    /// <param name="first">The layers that are present: tar.gz files.</param>
    /// <param name="second">The layers to fetch.</param>
    /// <param name="chunkers">Chunker specifications.</param>
    public static void Print(string[] first, string[] second, string[] chunkers)
    {
        long compressed = second.Sum(layer => new FileInfo(layer).Length);
        Console.WriteLine(
            $"| {compressed / 1e6:f1} MB of gzip layers | blocks | missing | missing MB | zstd MB | of gzip | first pull of gzip |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        foreach (string words in chunkers)
        {
            ChunkerSpec spec = ChunkerSpec.TryParse(words, out ChunkerSpec? parsed, out string? problem)
                ? parsed
                : throw new FormatException(problem);
            var there = new HashSet<string>();
            foreach (string layer in first)
            {
                Cut(layer, spec, (hash, _) => there.Add(hash));
            }

            using var zstd = new Compressor(3);
            (long Blocks, long Missing, long Raw, long Packed, long All) sum = default;
            var seen = new HashSet<string>();
            foreach (string layer in second)
            {
                Cut(layer, spec, (hash, block) =>
                {
                    if (!seen.Add(hash))
                    {
                        return;
                    }

                    long packed = Math.Min(block.Length, zstd.Wrap(block).Length);
                    sum.Blocks++;
                    sum.All += packed;
                    if (!there.Contains(hash))
                    {
                        sum.Missing++;
                        sum.Raw += block.Length;
                        sum.Packed += packed;
                    }
                });
            }

            Console.WriteLine(
                $"| {words} | {sum.Blocks} | {sum.Missing} | {sum.Raw / 1e6:f2} | {sum.Packed / 1e6:f2} "
                + $"| {100.0 * sum.Packed / compressed:f1}% | {100.0 * sum.All / compressed:f1}% |");
        }
    }

    private delegate void OnBlock(string hash, ReadOnlySpan<byte> block);

    private static void Cut(string layer, ChunkerSpec spec, OnBlock onBlock)
    {
        using FileStream file = File.OpenRead(layer);
        using var gzip = new GZipStream(file, CompressionMode.Decompress);
        using var memory = new MemoryStream();
        gzip.CopyTo(memory);
        ReadOnlySpan<byte> rest = memory.GetBuffer().AsSpan(0, (int)memory.Length);
        IChunker chunker = spec.Create();
        while (!rest.IsEmpty)
        {
            int cut = chunker.FindCut(rest);
            ReadOnlySpan<byte> block = cut == 0 ? rest : rest[..cut];
            onBlock(Convert.ToHexString(SHA256.HashData(block)), block);
            rest = rest[block.Length..];
        }
    }
}
