using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests.Import;

/// <summary>Imports every file of unixfs-vectors.json, in both layouts.</summary>
public sealed class GoldenFileTests
{
    private static readonly Dictionary<string, JsonElement> Files =
        Vectors.Load("unixfs-vectors.json").GetProperty("files").EnumerateArray().ToDictionary(file => file.Text("name")!);

    public static TheoryData<string> Names => [.. Files.Keys];

    [Fact]
    public void All_vectors_are_tested() => Assert.Equal(119, Files.Count);

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Imports_give_the_same_blocks(string name)
    {
        JsonElement file = Files[name];
        JsonElement options = file.GetProperty("options");
        byte[] data = TestDag.Input(file.GetProperty("input"));
        Assert.Equal(file.GetProperty("input").Text("sha256"), Convert.ToHexStringLower(SHA256.HashData(data)));
        ImportProfile profile = TestDag.Profile(options);
        uint? mode = TestDag.Mode(file);
        UnixFsTime? mtime = TestDag.MTime(file);

        using var store = new MemoryStore();
        var importer = new DagImporter(store.Blocks, profile);
        for (int at = 0, step = 1; at < data.Length; at += step, step = Math.Min((step * 5) + 1, data.Length - at))
        {
            importer.Write(data.AsSpan(at, Math.Min(step, data.Length - at)));
        }

        Assert.Equal(data.Length, importer.Length);
        DagRoot root = importer.Finish(mode, mtime);
        Assert.Equal(file.Text("root"), root.Root.ToString());
        Assert.Equal(data.Length, root.Size);
        Assert.Equal(file.GetProperty("cumulativeSize").GetInt64(), root.DagSize);
        (Multihash Hash, int Length)[] blocks = [.. store.Blocks.Enumerate()];
        Assert.Equal(file.GetProperty("uniqueBlocks").GetInt64(), blocks.LongLength);
        Assert.Equal(file.GetProperty("uniqueBlockBytes").GetInt64(), blocks.Sum(block => (long)block.Length));

        using (IMemoryOwner<byte> block = store.Blocks.Get(root.Root.Hash)!)
        {
            if (file.Hex("rootBlockHex") is { } rootBlock)
            {
                Assert.Equal(Convert.ToHexStringLower(rootBlock), Convert.ToHexStringLower(block.Memory.Span));
            }

            int links = 0;
            if (root.Root.Codec == Multicodec.DagPb)
            {
                Assert.True(DagPbNode.TryDecode(block.Memory.Span, out DagPbNode? node));
                Assert.True(node.IsCanonical);
                links = node.Links.Count;
                Assert.True(DagFile.TryReadRoot(block.Memory.Span, out long size));
                Assert.Equal(data.Length, size);
                if (file.TryGetProperty("rootLinks", out JsonElement golden))
                {
                    Assert.Equal(
                        golden.EnumerateArray().Select(link => (link.Text("cid"), link.GetProperty("tsize").GetUInt64())),
                        node.Links.Select(link => ((string?)link.Cid.ToString(), link.Tsize)));
                }
            }

            Assert.Equal(file.GetProperty("rootLinkCount").GetInt32(), links);
        }

        // Imports through a stream give the same root, and reads give the same bytes.
        using var other = new MemoryStore();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var stream = new MemoryStream(data);
        Assert.Equal(
            root, await DagImport.FromStreamAsync(stream, other.Blocks, profile, mode, mtime, hash, TestContext.Current.CancellationToken));
        Assert.Equal(SHA256.HashData(data), hash.GetHashAndReset());
        Assert.Equal(blocks.Length, other.Blocks.Enumerate().Count());

        await using DagReader reader = await DagReader.OpenAsync(
            root.Root, new LocalBlockSource(store.Blocks), TestContext.Current.CancellationToken);
        await reader.CopyToAsync(
            (piece, _) =>
            {
                hash.AppendData(piece.Span);
                return ValueTask.CompletedTask;
            },
            0, long.MaxValue, TestContext.Current.CancellationToken);
        Assert.Equal(SHA256.HashData(data), hash.GetHashAndReset());
        Assert.True(DagVerify.IsComplete(store.Blocks, root.Root, TestContext.Current.CancellationToken));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Leaves_are_in_order(string name)
    {
        JsonElement file = Files[name];
        if (file.GetProperty("input").GetProperty("size").GetInt32() is 0 or > 2_000_000)
        {
            return;
        }

        JsonElement options = file.GetProperty("options");
        ImportProfile profile = TestDag.Profile(options);
        byte[] data = TestDag.Input(file.GetProperty("input"));
        using var store = new MemoryStore();
        var importer = new DagImporter(store.Blocks, profile);
        importer.Write(data);
        int full = data.Length / profile.Chunker.MaxLength;
        string[] leaves = [.. importer.Leaves().Select(leaf => leaf.ToString())];
        Assert.Equal(full, leaves.Length);
        if (file.TryGetProperty("leaves", out JsonElement golden))
        {
            Assert.Equal(golden.EnumerateArray().Select(leaf => leaf.GetString()).Take(full), leaves);
        }
        else
        {
            Assert.Equal(file.Text("firstLeaf"), leaves[0]);
        }
    }
}
