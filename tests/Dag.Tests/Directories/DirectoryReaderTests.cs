using CsCheck;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.Directories;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Tests.Directories;

public sealed class DirectoryReaderTests
{
    private static readonly Cid Leaf = Cid.V1(Multicodec.Raw, Multihash.Sha256("leaf"u8));

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void Any_names_are_listed_and_found() =>
        Gen.Select(Gen.String[Gen.Char.AlphaNumeric, 1, 6].HashSet[0, 60], Gen.Bool, Gen.Bool).Sample(
        (names, sharded, v0) =>
        {
            using var store = new MemoryStore();
            DagRoot file = TestDag.Import(store.Blocks, ImportProfile.KuboV1, "x"u8);
            var builder = new DirectoryBuilder(
                store.Blocks, v0 ? ImportProfile.KuboV0 : ImportProfile.KuboV1, sharded ? 0 : DirectoryBuilder.DefaultShardThreshold);
            var backwards = new DirectoryBuilder(
                store.Blocks, v0 ? ImportProfile.KuboV0 : ImportProfile.KuboV1, sharded ? 0 : DirectoryBuilder.DefaultShardThreshold);
            foreach (string name in names)
            {
                builder.Add(name, file);
            }

            foreach (string name in names.Reverse())
            {
                backwards.Add(name, file);
            }

            DagRoot root = builder.Finish();
            Assert.Equal(root, backwards.Finish());
            Assert.Equal(v0 ? 0 : 1, root.Root.Version);
            foreach (IBlockSource source in new IBlockSource[] { new LocalBlockSource(store.Blocks), new TestSource(store.Blocks) })
            {
                Assert.Equal(names.Order(StringComparer.Ordinal), List(root.Root, source).Order(StringComparer.Ordinal));
                Assert.Equal(0, (source as TestSource)?.Held ?? 0);
            }

            foreach (string name in names)
            {
                Assert.Equal(file.Root, DirectoryReader.FindAsync(
                    root.Root, name, new LocalBlockSource(store.Blocks), Token).GetAwaiter().GetResult()!.Value.Cid);
            }
        },
        iter: 200);

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("../etc/passwd")]
    [InlineData("a\0b")]
    public async Task Names_that_no_file_system_holds_are_refused(string name)
    {
        using var store = new MemoryStore();
        Cid directory = Put(store, UnixFsType.Directory, new DagPbLink(Leaf, name, 4));
        await Assert.ThrowsAsync<DagFormatException>(() => ListAsync(store, directory));
    }

    [Fact]
    public async Task Repeated_names_are_refused()
    {
        using var store = new MemoryStore();
        await Assert.ThrowsAsync<DagFormatException>(
            () => ListAsync(store, Put(store, UnixFsType.Directory, new DagPbLink(Leaf, "a", 4), new DagPbLink(Leaf, "a", 5))));
    }

    [Fact]
    public async Task A_block_that_is_no_directory_is_refused()
    {
        using var store = new MemoryStore();
        Cid file = TestDag.Import(store.Blocks, TestDag.Tiny(raw: false), "file"u8).Root;
        Cid raw = TestDag.Import(store.Blocks, TestDag.Tiny(), "raw"u8).Root;
        Cid noise = TestDag.Put(store.Blocks, [1, 2, 3]);
        var source = new LocalBlockSource(store.Blocks);
        foreach (Cid cid in new[] { file, raw, noise, Put(store, UnixFsType.Metadata) })
        {
            await Assert.ThrowsAsync<DagFormatException>(() => ListAsync(store, cid));
            await Assert.ThrowsAsync<DagFormatException>(() => DirectoryReader.FindAsync(cid, "a", source, Token));
        }

        await Assert.ThrowsAsync<DagFormatException>(async () => await UnixFsStat.GetAsync(noise, source, Token));
        Assert.Equal((UnixFsType.File, 3L), await TypeAsync(raw));
        Assert.Equal((UnixFsType.File, 4L), await TypeAsync(file));
        foreach (Cid cid in new[] { file, raw })
        {
            Assert.True(DagPath.TryParse($"{cid}/a", out DagPath? path));
            DagPathException error = await Assert.ThrowsAsync<DagPathException>(() => path.ResolveAsync(source, Token));
            Assert.Contains("no link named 'a'", error.Message, StringComparison.Ordinal);
        }

        async Task<(UnixFsType, long)> TypeAsync(Cid cid)
        {
            UnixFsStat stat = await UnixFsStat.GetAsync(cid, source, Token);
            return (stat.Type, stat.Size);
        }
    }

    [Fact]
    public async Task Inconsistent_shards_are_refused()
    {
        using var store = new MemoryStore();
        var builder = new DirectoryBuilder(store.Blocks, ImportProfile.KuboV1, 0);
        DagRoot file = TestDag.Import(store.Blocks, ImportProfile.KuboV1, "x"u8);
        builder.Add("file-dev-0", file);
        Cid good = builder.Finish().Root;
        Assert.Single(List(good, new LocalBlockSource(store.Blocks)));
        using System.Buffers.IMemoryOwner<byte> block = store.Blocks.Get(good.Hash)!;
        Assert.True(DagPbNode.TryDecode(block.Memory.Span, out DagPbNode? node));
        Assert.True(UnixFsData.TryDecode(node.Data, out UnixFsData? data));
        DagPbLink link = node.Links[0];
        Assert.Equal("D1file-dev-0", link.Name);
        byte[] bits = data.Data!;
        foreach ((DagPbLink[] links, byte[] field, ulong? hash, ulong? fanout) in new (DagPbLink[], byte[], ulong?, ulong?)[]
        {
            ([], bits, 0x22, 256),
            ([link, link], bits, 0x22, 256),
            ([link with { Name = "d1file-dev-0" }], bits, 0x22, 256),
            ([link with { Name = "D2file-dev-0" }], bits, 0x22, 256),
            ([link with { Name = "D" }], bits, 0x22, 256),
            ([link with { Name = "D1another" }], bits, 0x22, 256),
            ([link with { Name = "D1" }], bits, 0x22, 256),
            ([link], new byte[33], 0x22, 256),
            ([link], [.. new byte[6], .. bits], 0x22, 256),
            ([link], bits, 0x12, 256),
            ([link], bits, null, 256),
            ([link], bits, 0x22, null),
            ([link], bits, 0x22, 255),
            ([link], bits, 0x22, 4),
            ([link], bits, 0x22, 2048),
            ([link], bits, 0x22, ulong.MaxValue),
            ([link], bits, 0x22, 128),
        })
        {
            byte[] message = new UnixFsData { Type = UnixFsType.HamtShard, Data = field, HashType = hash, Fanout = fanout }.Encode();
            Cid bad = TestDag.Put(store.Blocks, new DagPbNode(links, message).Encode());
            await Assert.ThrowsAsync<DagFormatException>(() => ListAsync(store, bad));
        }
    }

    [Fact]
    public async Task Shards_that_are_too_deep_are_refused()
    {
        using var store = new MemoryStore();
        Cid at = Leaf;
        for (int i = 0; i < 12; i++)
        {
            byte[] message = new UnixFsData { Type = UnixFsType.HamtShard, Data = [1], HashType = 0x22, Fanout = 256 }.Encode();
            at = TestDag.Put(store.Blocks, new DagPbNode([new DagPbLink(at, "00", 0)], message).Encode());
        }

        Assert.Contains(
            "deeper", (await Assert.ThrowsAsync<DagFormatException>(() => ListAsync(store, at))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Paths_are_parsed()
    {
        string cid = Leaf.ToString();
        foreach ((string text, string[] names) in new (string, string[])[]
        {
            (cid, []), ($"{cid}/", []), ($"/ipfs/{cid}/a//b/", ["a", "b"]), ($"ipfs://{cid}/a b/\u00fc", ["a b", "\u00fc"]),
        })
        {
            Assert.True(DagPath.TryParse(text, out DagPath? path), text);
            Assert.Equal(Leaf, path.Root);
            Assert.Equal(names, path.Names);
            Assert.True(DagPath.TryParse(path.ToString(), out DagPath? again));
            Assert.Equal(path.Names, again.Names);
        }

        string?[] illegal =
        [
            null, "", "/", "a", $"/ipns/{cid}", $"{cid}/..", $"{cid}/./a", $"{cid}/" + new string('a', EntryName.MaxLength + 1),
            $"{cid}/a\0", new string('b', 10_000),
        ];
        foreach (string? bad in illegal)
        {
            Assert.False(DagPath.TryParse(bad, out _), bad);
        }
    }

    [Fact]
    public async Task Refs_are_listed_once_or_as_often_as_they_are_linked()
    {
        using var store = new MemoryStore();
        var source = new LocalBlockSource(store.Blocks);
        DagRoot file = TestDag.Import(store.Blocks, TestDag.Tiny(chunk: 4, children: 2), "same1234same1234"u8);
        DagRef[] direct = await DagRefs.ListAsync(file.Root, source, recursive: false, unique: false, Token).ToArrayAsync(Token);
        Assert.Equal(2, direct.Length);
        Assert.Equal(direct[0], direct[1]);
        DagRef[] all = await DagRefs.ListAsync(file.Root, source, recursive: true, unique: false, Token).ToArrayAsync(Token);
        Assert.Equal(4, all.Length);
        Assert.Equal(all.Select(r => r.Target).Distinct(), await DagRefs.ListAsync(
            file.Root, source, recursive: true, unique: true, Token).Select(r => r.Target).ToArrayAsync(Token));
        Assert.Equal((4L, store.Blocks.Enumerate().Sum(block => (long)block.Length)), await DagRefs.MeasureAsync(file.Root, source, Token));
    }

    private static Cid Put(MemoryStore store, UnixFsType type, params DagPbLink[] links) =>
        TestDag.Put(store.Blocks, new DagPbNode(links, new UnixFsData { Type = type }.Encode()).Encode());

    private static async Task<List<string>> ListAsync(MemoryStore store, Cid directory) =>
        [
            .. await DirectoryReader.ListAsync(directory, new LocalBlockSource(store.Blocks), Token)
                .Select(entry => entry.Name)
                .ToArrayAsync(Token),
        ];

    private static string[] List(Cid directory, IBlockSource source) =>
        DirectoryReader.ListAsync(directory, source, Token)
            .Select(entry => entry.Name)
            .ToArrayAsync(Token).AsTask().GetAwaiter().GetResult();
}
