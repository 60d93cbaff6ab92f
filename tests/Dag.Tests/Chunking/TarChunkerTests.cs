using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text;
using CsCheck;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests.Chunking;

public sealed class TarChunkerTests
{
    private static readonly ChunkerSpec Spec = ChunkerSpec.TryParse("tar", out ChunkerSpec? spec, out string? problem)
        ? spec
        : throw new FormatException(problem);

    private static readonly DateTimeOffset Then = DateTimeOffset.FromUnixTimeSeconds(1_600_000_000);

    /// <summary>Files with sizes around the chunker's limits.</summary>
    private static readonly Gen<(string Name, int Size)[]> GenFiles = Gen.Select(
        Gen.Int[0, 500], Gen.OneOf(Gen.Int[0, 3000], Gen.Int[1500, 2600], Gen.Int[60_000, 80_000], Gen.Int[500_000, 700_000]),
        (name, size) => ($"usr/share/{name}", size)).Array[1, 12];

    [Fact]
    public void The_lengths_of_pieces_do_not_change_the_cuts() =>
        Gen.Select(GenFiles, Gen.Int[1, 70_000], Gen.Enum<TarEntryFormat>()).Sample(
        (files, piece, format) =>
        {
            byte[] tar = Make(files, format == TarEntryFormat.Unknown ? TarEntryFormat.Pax : format, Then);
            int[] lengths = Cutting.Lengths(Spec, tar, int.MaxValue);
            Assert.Equal(lengths, Cutting.Lengths(Spec, tar, piece));
            Assert.Equal(tar.Length, lengths.Sum());
        },
        iter: 100);

    [Fact]
    public void Files_have_blocks_of_their_own_whatever_their_headers_say() => Gen.Select(GenFiles, GenFiles).Sample(
        (files, others) =>
        {
            HashSet<string> one = Blocks(Make(files, TarEntryFormat.Pax, Then));
            HashSet<string> touched = Blocks(Make(files, TarEntryFormat.Ustar, Then.AddDays(1)));
            HashSet<string> among = Blocks(Make([.. others, .. files.Reverse()], TarEntryFormat.Gnu, Then.AddYears(1)));
            foreach ((string name, int size) in files.Where(file => Padded(file.Size) > TarChunker.SmallFile))
            {
                byte[] body = [.. Body(name, size), .. new byte[Padded(size) - size]];
                HashSet<string> own = [.. PiecesOf(body)];
                Assert.Superset(own, one);
                Assert.Superset(own, touched);
                Assert.Superset(own, among);
            }
        },
        iter: 60);

    [Fact]
    public void Small_files_are_grouped()
    {
        (string, int)[] files = [.. Enumerable.Range(0, 1000).Select(i => ($"etc/{i}", i))];
        byte[] tar = Make(files, TarEntryFormat.Ustar, Then);
        int[] lengths = Cutting.Lengths(Spec, tar, 5000);
        Assert.InRange(lengths.Average(), 16 << 10, 64 << 10);
        Assert.InRange(lengths.Max(), 16 << 10, 72 << 10);

        // A new file changes its own group and at most the next.
        HashSet<string> before = Blocks(tar);
        HashSet<string> after = Blocks(Make([.. files.AsSpan(0, 500), ("etc/new", 100), .. files.AsSpan(500)], TarEntryFormat.Ustar, Then));
        Assert.InRange(after.Except(before).Count(), 1, 4);
    }

    [Fact]
    public void Bytes_that_are_no_tar_are_cut_by_content()
    {
        byte[] data = Xs128.Bytes("no tar", 3 << 20);
        IChunker pieces = new BuzhashChunker(64 << 10, 512 << 10, 16);
        int first = pieces.FindCut(data);
        int[] lengths = Cutting.Lengths(Spec, data, 1000);
        Assert.Equal(first, lengths[0]);
        Assert.InRange(lengths.Length, 12, 48);
        Assert.Equal([100], Cutting.Lengths(Spec, new byte[100], 7));
    }

    [Fact]
    public void Truncated_and_false_archives_are_still_cut()
    {
        byte[][] seeds = [.. new[] { TarEntryFormat.V7, TarEntryFormat.Ustar, TarEntryFormat.Pax, TarEntryFormat.Gnu }.Select(
            format => Make([("a", 10), ("b", 5000), ("c", 0)], format, Then))];
        Gen.Int.Sample(
            number =>
            {
                byte[] bad = Mutation.Of(seeds, number);
                Assert.Equal(bad.Length, Cutting.Lengths(Spec, bad, 700).Sum());
            },
            iter: 3000);

        // Impossible sizes.
        byte[] header = seeds[1][..512];
        foreach (string size in new[] { "77777777777\0", "           \0", "8\0\0\0\0\0\0\0\0\0\0\0" })
        {
            Encoding.Latin1.GetBytes(size).CopyTo(header, 124);
            Encoding.Latin1.GetBytes("        ").CopyTo(header, 148);
            Encoding.Latin1.GetBytes(Convert.ToString(header.Sum(b => b), 8).PadLeft(6, '0') + "\0 ").CopyTo(header, 148);
            byte[] tar = [.. header, .. Xs128.Bytes("rest", 2_000_000)];
            Assert.Equal(tar.Length, Cutting.Lengths(Spec, tar, 4096).Sum());
        }
    }

    [Fact]
    public async Task The_result_is_one_file_and_always_the_same()
    {
        byte[] tar = Make([("bin/tool", 1_000_000), ("etc/a", 10), ("etc/b", 4000), ("lib/x.so", 90_000)], TarEntryFormat.Ustar, Then);

        // The header; three pieces, cut where an implementation of its own found them; a header, a small file and a header; and so on; two
        // zero blocks.
        Assert.Equal([512, 183614, 379288, 437546, 1536, 4096, 512, 90112, 512, 512], Cutting.Lengths(Spec, tar, 10_000));
        using var store = new MemoryStore();
        ImportProfile profile = ImportProfile.KuboV0 with { Name = "tar", Chunker = Spec };
        using var stream = new MemoryStream(tar);
        DagRoot root = await DagImport.FromStreamAsync(stream, store.Blocks, profile, null, TestContext.Current.CancellationToken);
        Assert.Equal(tar.Length, root.Size);
        Assert.Equal(11, root.Blocks);
        await using DagReader reader = await DagReader.OpenAsync(
            root.Root, new LocalBlockSource(store.Blocks), TestContext.Current.CancellationToken);
        using var copy = new MemoryStream();
        await reader.CopyToAsync(copy, 0, long.MaxValue, TestContext.Current.CancellationToken);
        Assert.Equal(tar, copy.ToArray());
    }

    [Fact]
    public async Task Blocks_of_a_tar_are_compressed_where_that_pays_and_others_are_not()
    {
        byte[] tar = Make([("etc/a", 100), ("lib/x.so", 90_000)], TarEntryFormat.Ustar, Then);
        foreach ((ChunkerSpec spec, int compressed) in ((ChunkerSpec, int)[])[(Spec, 3), (ChunkerSpec.Size(2048), 0)])
        {
            using var store = new MemoryStore();
            using var stream = new MemoryStream(tar);
            ImportProfile profile = ImportProfile.KuboV1 with { Name = "compressed", Chunker = spec };
            await DagImport.FromStreamAsync(stream, store.Blocks, profile, null, TestContext.Current.CancellationToken);

            // The first headers, the zeros at the end, and the node above are compressible; the file between is noise.
            Assert.Equal(compressed, store.Blocks.Enumerate().Count(b => store.Blocks.GetCompressed(b.Hash) is not null));
            Assert.Equal(compressed > 0, store.GetStatistics().Bytes < store.GetStatistics().BlockBytes);
        }
    }

    [Fact]
    public void An_import_does_not_resume_inside_a_file()
    {
        using var store = new MemoryStore();
        var importer = new DagImporter(store.Blocks, ImportProfile.KuboV0 with { Name = "tar", Chunker = Spec });
        importer.Write(Make([("a", 10)], TarEntryFormat.Ustar, Then));
        Assert.Throws<NotSupportedException>(() => importer.ExportState());
    }

    private static int Padded(int size) => (size + 511) / 512 * 512;

    private static byte[] Body(string name, int size) => Xs128.Bytes(name, size);

    private static byte[] Make((string Name, int Size)[] files, TarEntryFormat format, DateTimeOffset time)
    {
        using var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, format, leaveOpen: true))
        {
            foreach ((string name, int size) in files)
            {
                TarEntry entry = format switch
                {
                    TarEntryFormat.V7 => new V7TarEntry(TarEntryType.V7RegularFile, name),
                    TarEntryFormat.Ustar => new UstarTarEntry(TarEntryType.RegularFile, name),
                    TarEntryFormat.Pax => new PaxTarEntry(TarEntryType.RegularFile, name),
                    _ => new GnuTarEntry(TarEntryType.RegularFile, name),
                };
                entry.ModificationTime = time;
                entry.DataStream = new MemoryStream(Body(name, size));
                tar.WriteEntry(entry);
            }
        }

        return stream.ToArray();
    }

    private static HashSet<string> Blocks(byte[] tar) => [.. Hashes(tar, Cutting.Lengths(Spec, tar, int.MaxValue))];

    /// <summary>The blocks of a file alone.</summary>
    private static IEnumerable<string> PiecesOf(byte[] body)
    {
        using var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, TarEntryFormat.Ustar, leaveOpen: true))
        {
            tar.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, "alone") { DataStream = new MemoryStream(body) });
        }

        byte[] bytes = stream.ToArray();
        int[] lengths = Cutting.Lengths(Spec, bytes, int.MaxValue);
        Assert.Equal(512, lengths[0]);
        int at = 512;
        for (int i = 1; at < 512 + body.Length; at += lengths[i++])
        {
            yield return Hash(bytes.AsSpan(at, lengths[i]));
        }

        Assert.Equal(512 + body.Length, at);
    }

    private static IEnumerable<string> Hashes(byte[] bytes, int[] lengths)
    {
        int at = 0;
        foreach (int length in lengths)
        {
            yield return Hash(bytes.AsSpan(at, length));
            at += length;
        }
    }

    private static string Hash(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
