using System.Text;
using System.Text.Json;
using Ipcs.Blockstore;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.Import;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests;

internal static class TestDag
{
    /// <summary>Small chunks and a small fan-out, which give deep DAGs of little data.</summary>
    public static ImportProfile Tiny(bool raw = true, int chunk = 16, int children = 3) => new()
    {
        Name = "tiny",
        CidVersion = raw ? 1 : 0,
        RawLeaves = raw,
        Chunker = ChunkerSpec.Size(chunk),
        MaxChildren = children,
    };

    /// <summary>The profile of a vector's options.</summary>
    public static ImportProfile Profile(JsonElement options)
    {
        string text = options.Text("chunker")!;
        Assert.True(ChunkerSpec.TryParse(text, out ChunkerSpec? chunker, out string? problem), problem);
        return new ImportProfile
        {
            Name = "vector",
            CidVersion = options.GetProperty("cidVersion").GetInt32(),
            RawLeaves = options.GetProperty("rawLeaves").GetBoolean(),
            Chunker = chunker,
            Layout = Enum.Parse<DagLayout>(options.Text("layout")!, ignoreCase: true),
            MaxChildren = options.GetProperty("maxChildren").GetInt32(),
        };
    }

    public static uint? Mode(JsonElement element) => element.TryGetProperty("mode", out JsonElement mode) ? mode.GetUInt32() : null;

    public static UnixFsTime? MTime(JsonElement element) => element.TryGetProperty("mtime", out JsonElement time)
        ? new UnixFsTime(
            time.GetProperty("secs").GetInt64(), time.TryGetProperty("nsecs", out JsonElement nsecs) ? nsecs.GetUInt32() : null)
        : null;

    public static DagRoot Import(IBlockstore store, ImportProfile profile, ReadOnlySpan<byte> data)
    {
        var importer = new DagImporter(store, profile);
        importer.Write(data);
        return importer.Finish();
    }

    public static byte[] Input(JsonElement input)
    {
        int size = input.GetProperty("size").GetInt32();
        switch (input.Text("gen"))
        {
            case "xs128-v1":
                return Xs128.Bytes(input.Text("seed")!, size);
            case "fill":
                byte[] bytes = new byte[size];
                Array.Fill(bytes, input.GetProperty("value").GetByte());
                return bytes;
            default:
                return Encoding.UTF8.GetBytes(input.Text("text")!);
        }
    }

    public static Cid Put(IBlockstore store, byte[] block, uint codec = Multicodec.DagPb)
    {
        Multihash hash = Multihash.Sha256(block);
        store.Put(hash, block);
        return Cid.V1(codec, hash);
    }

    /// <summary>A file node with the given, possibly false, sizes.</summary>
    public static byte[] Node(long? fileSize, byte[]? inline, params (Cid Cid, long Size)[] children) => new DagPbNode(
        [.. children.Select(child => new DagPbLink(child.Cid, "", (ulong)child.Size))],
        new UnixFsData
        {
            Type = UnixFsType.File,
            Data = inline,
            FileSize = fileSize,
            BlockSizes = [.. children.Select(child => child.Size)],
        }.Encode()).Encode();
}
