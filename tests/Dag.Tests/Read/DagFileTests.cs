using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using CsCheck;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.Read;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Tests.Read;

public sealed class DagFileTests
{
    private static readonly string[] Magics = ["1f8b08", "28b52ffd", "502a4d18", "fd377a585a00", "425a68", "04224d18", "7573746172"];
    private static readonly Cid Leaf = Cid.V1(Multicodec.Raw, Multihash.Sha256("leaf"u8));

    [Fact]
    public void Roots_of_files_are_recognized()
    {
        Assert.True(DagFile.TryReadRoot(TestDag.Node(0, null), out long size));
        Assert.Equal(0, size);
        Assert.True(DagFile.TryReadRoot(TestDag.Node(5, "hello"u8.ToArray()), out size));
        Assert.Equal(5, size);
        Assert.True(DagFile.TryReadRoot(TestDag.Node(13, "hello"u8.ToArray(), (Leaf, 4), (Leaf, 4)), out size));
        Assert.Equal(13, size);
        Assert.True(DagFile.TryReadRoot(
            new DagPbNode([], new UnixFsData { Type = UnixFsType.Raw, Data = [1], FileSize = 1 }.Encode()).Encode(), out size));
        Assert.Equal(1, size);
    }

    [Fact]
    public void Blocks_that_are_not_canonical_or_inconsistent_fail()
    {
        byte[] good = TestDag.Node(8, null, (Leaf, 4), (Leaf, 4));
        Assert.True(DagFile.TryReadRoot(good, out _));
        Assert.True(DagPbNode.TryDecode(good, out DagPbNode? node));
        byte[] data = node.Data!;
        foreach (byte[] bad in new byte[][]
        {
            [],
            TestDag.Node(9, null, (Leaf, 4), (Leaf, 4)),
            TestDag.Node(null, null, (Leaf, 4), (Leaf, 4)),
            TestDag.Node(1, null),
            [.. good, 0],
            good[..^1],
            new DagPbNode([node.Links[0]], data).Encode(),
            new DagPbNode([.. node.Links, node.Links[0]], data).Encode(),
            new DagPbNode(node.Links, [.. data, 0x48, 0]).Encode(),
            new DagPbNode(node.Links, null).Encode(),
            new DagPbNode([.. node.Links.Select(link => link with { Cid = Cid.V1(0x71, link.Cid.Hash) })], data).Encode(),
            [.. new DagPbNode([], data).Encode(), .. new DagPbNode(node.Links, null).Encode()],
            new DagPbNode([], new UnixFsData { Type = UnixFsType.Directory }.Encode()).Encode(),
            new DagPbNode([], new UnixFsData { Type = UnixFsType.Symlink, Data = [1] }.Encode()).Encode(),
        })
        {
            Assert.False(DagFile.TryReadRoot(bad, out long size), Convert.ToHexString(bad));
            Assert.Equal(0, size);
        }
    }

    [Fact]
    public void Blobs_of_registries_are_not_recognized()
    {
        byte[] text = Encoding.UTF8.GetBytes(new string('x', 500) + Guid.Empty);
        List<byte[]> blobs =
        [
            Compress(stream => new GZipStream(stream, CompressionLevel.Fastest), text),
            Compress(stream => new ZLibStream(stream, CompressionLevel.Optimal), text),
            Compress(stream => new BrotliStream(stream, CompressionLevel.Fastest), text),
            [0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x00, 0x01, 0x00, 0x00, 0x99, 0xe9, 0xd8, 0x51],
            [0x50, 0x2a, 0x4d, 0x18, 0x04, 0x00, 0x00, 0x00, 1, 2, 3, 4],
            "{}"u8.ToArray(),
            "{\"schemaVersion\":2}"u8.ToArray(),
            "\n{\"schemaVersion\":2}"u8.ToArray(),
            "\n\t{}"u8.ToArray(),
            "\n\n"u8.ToArray(),
            "[]"u8.ToArray(),
            " {}"u8.ToArray(),
            "\r\n{}"u8.ToArray(),
            new byte[1024],
        ];
        foreach (TarEntryFormat format in new[] { TarEntryFormat.V7, TarEntryFormat.Ustar, TarEntryFormat.Pax, TarEntryFormat.Gnu })
        {
            foreach (string name in new[] { "etc/passwd", "./", "\n", "\nname", "\u0012*", "x" })
            {
                using var stream = new MemoryStream();
                using (var tar = new TarWriter(stream, format, leaveOpen: true))
                {
                    TarEntry entry = format switch
                    {
                        TarEntryFormat.V7 => new V7TarEntry(TarEntryType.V7RegularFile, name),
                        TarEntryFormat.Ustar => new UstarTarEntry(TarEntryType.RegularFile, name),
                        TarEntryFormat.Pax => new PaxTarEntry(TarEntryType.RegularFile, name),
                        _ => new GnuTarEntry(TarEntryType.RegularFile, name),
                    };
                    entry.DataStream = new MemoryStream(text);
                    tar.WriteEntry(entry);
                }

                blobs.Add(stream.ToArray());
            }
        }

        foreach (byte[] blob in blobs)
        {
            for (int n = 1; n <= blob.Length; n++)
            {
                Assert.False(DagFile.TryReadRoot(blob.AsSpan(0, n), out _), Convert.ToHexString(blob.AsSpan(0, Math.Min(n, 32))));
            }
        }
    }

    [Fact]
    public void Nothing_that_ends_as_a_tar_passes() => Gen.Select(Gen.Byte.Array[0, 40], Gen.Int[0, 3]).Sample((data, children) =>
    {
        byte[] block = TestDag.Node(data.Length, data, [.. Enumerable.Repeat((Leaf, 0L), children)]);
        Assert.True(DagFile.TryReadRoot(block, out _));
        Assert.False(DagFile.TryReadRoot((byte[])[.. block, .. new byte[1024]], out _));
    });

    [Fact]
    public void No_json_text_passes() => Gen.String[Gen.OneOf(Gen.Char[' ', '~'], Gen.Char['\t', '\n']), 0, 200].Sample(
        text => Assert.False(DagFile.TryReadRoot(Encoding.UTF8.GetBytes("\n" + text), out _)));

    [Fact]
    public void Nothing_that_starts_as_a_compressed_layer_passes() => Gen.Select(
        Gen.Int[0, Magics.Length - 1], Gen.Byte.Array[0, 200]).Sample(
        (magic, rest) => Assert.False(DagFile.TryReadRoot((byte[])[.. Convert.FromHexString(Magics[magic]), .. rest], out _)));

    private static byte[] Compress(Func<Stream, Stream> wrap, byte[] data)
    {
        using var output = new MemoryStream();
        using (Stream stream = wrap(output))
        {
            stream.Write(data);
        }

        return output.ToArray();
    }
}
