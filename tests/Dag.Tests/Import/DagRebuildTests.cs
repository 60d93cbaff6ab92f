using CsCheck;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests.Import;

public sealed class DagRebuildTests : IDisposable
{
    private readonly MemoryStore _store = new();

    public void Dispose() => _store.Dispose();

    [Fact]
    public void The_dag_is_that_of_an_import_whatever_nodes_were_above_the_leaves() =>
        Gen.Select(Gen.Int[0, 400], Gen.Int[2, 5], Gen.Int[2, 5], Gen.Bool).Sample((size, from, to, trickle) =>
    {
        byte[] data = Xs128.Bytes("rebuild", size);
        using var store = new MemoryStore();
        ImportProfile other = TestDag.Tiny(children: from) with
        {
            // An empty trickle DAG has a node without a leaf.
            Layout = trickle && size > 0 ? DagLayout.Trickle : DagLayout.Balanced,
        };
        DagRoot stored = TestDag.Import(store.Blocks, other, data);
        using var importStore = new MemoryStore();
        DagRoot expected = TestDag.Import(importStore.Blocks, TestDag.Tiny(children: to), data);
        Assert.Equal(expected, DagRebuild.TryBuild(store.Blocks, stored.Root, TestDag.Tiny(children: to)));
        Assert.True(DagVerify.IsComplete(store.Blocks, expected.Root));
    });

    [Fact]
    public void A_dag_of_the_same_profile_is_itself_and_nothing_is_stored()
    {
        DagRoot stored = TestDag.Import(_store.Blocks, ImportProfile.KuboV1, Xs128.Bytes("same", 1_000_000));
        int blocks = _store.Blocks.Enumerate().Count();
        Assert.Equal(stored, DagRebuild.TryBuild(_store.Blocks, stored.Root, ImportProfile.KuboV1));
        Assert.Equal(blocks, _store.Blocks.Enumerate().Count());
    }

    [Theory]
    [InlineData("dag-pb leaves")]
    [InlineData("shorter chunks")]
    [InlineData("longer chunks")]
    [InlineData("chunks cut by their bytes")]
    [InlineData("a profile with dag-pb leaves")]
    [InlineData("a profile with the trickle layout")]
    [InlineData("a profile with chunks cut by their bytes")]
    public void Leaves_of_another_form_are_refused(string what)
    {
        ImportProfile wanted = what switch
        {
            "a profile with dag-pb leaves" => TestDag.Tiny(raw: false),
            "a profile with the trickle layout" => TestDag.Tiny() with { Layout = DagLayout.Trickle },
            "a profile with chunks cut by their bytes" => TestDag.Tiny() with { Chunker = Chunker("rabin-16-32-64") },
            _ => TestDag.Tiny(),
        };
        ImportProfile stored = what switch
        {
            "dag-pb leaves" => TestDag.Tiny(raw: false),
            "shorter chunks" => TestDag.Tiny(chunk: 15),
            "longer chunks" => TestDag.Tiny(chunk: 17),
            "chunks cut by their bytes" => TestDag.Tiny() with { Chunker = Chunker("rabin-16-32-64") },
            _ => TestDag.Tiny(),
        };
        DagRoot root = TestDag.Import(_store.Blocks, stored, Xs128.Bytes("other", 200));
        Assert.Null(DagRebuild.TryBuild(_store.Blocks, root.Root, wanted));

        static ChunkerSpec Chunker(string text) =>
            ChunkerSpec.TryParse(text, out ChunkerSpec? spec, out string? problem) ? spec : throw new ArgumentException(problem);
    }

    [Fact]
    public void A_missing_block_is_no_dag_with_a_hole()
    {
        DagRoot root = TestDag.Import(_store.Blocks, TestDag.Tiny(), Xs128.Bytes("hole", 300));
        foreach ((Multihash hash, _) in _store.Blocks.Enumerate().ToArray())
        {
            byte[] block = _store.Blocks.Get(hash)!.Memory.ToArray();
            _store.Blocks.Delete(hash);
            Assert.Null(DagRebuild.TryBuild(_store.Blocks, root.Root, TestDag.Tiny()));
            _store.Blocks.Put(hash, block);
            Assert.Equal(root, DagRebuild.TryBuild(_store.Blocks, root.Root, TestDag.Tiny()));
        }
    }

    [Fact]
    public void Nodes_that_lie_are_refused()
    {
        byte[] chunk = Xs128.Bytes("chunk", 16), rest = Xs128.Bytes("rest", 5);
        Cid full = Put(Multicodec.Raw, chunk), last = Put(Multicodec.Raw, rest), empty = Put(Multicodec.Raw, []);
        Assert.True(Multihash.TryCompute(Multihash.Sha2_512, rest, out Multihash sha512));
        _store.Blocks.Put(sha512, rest);
        var other = Cid.V1(Multicodec.Raw, sha512);
        Cid good = Node((full, 16), (last, 5));
        Assert.Equal(21, DagRebuild.TryBuild(_store.Blocks, good, TestDag.Tiny())?.Size);
        Cid[] bad =
        [
            Node((full, 16), (last, 6)),
            Node((full, 15), (last, 5)),
            Node((last, 5), (full, 16)),
            Node((full, 16), (empty, 0)),
            Node((empty, 0), (full, 16)),
            Node((full, 16), (other, 5)),
            Node((good, 22)),
            Node(),
            Put(Multicodec.DagPb, chunk),
            Put(
                Multicodec.DagPb,
                new DagPbNode([], new UnixFsData { Type = UnixFsType.File, Data = rest, FileSize = 5 }.Encode()).Encode()),
            Put(
                Multicodec.DagPb,
                new DagPbNode(
                    [new DagPbLink(full, "", 16)],
                    new UnixFsData { Type = UnixFsType.File, Data = rest, FileSize = 21, BlockSizes = [16] }.Encode()).Encode()),
        ];
        Assert.All(bad, root => Assert.Null(DagRebuild.TryBuild(_store.Blocks, root, TestDag.Tiny())));
    }

    /// <summary>Each node links twice to the next one: few blocks that say that they are a file of 16 EiB.</summary>
    [Fact]
    public void Work_is_bounded_for_blocks_that_are_linked_again_and_again()
    {
        Cid node = Put(Multicodec.Raw, Xs128.Bytes("chunk", 16));
        long size = 16;
        for (int depth = 0; depth < 50; depth++)
        {
            node = Node((node, size), (node, size));
            size *= 2;
        }

        Assert.Null(DagRebuild.TryBuild(_store.Blocks, node, TestDag.Tiny()));
    }

    private Cid Put(uint codec, byte[] block)
    {
        Multihash hash = Multihash.Sha256(block);
        _store.Blocks.Put(hash, block);
        return Cid.V1(codec, hash);
    }

    private Cid Node(params (Cid Cid, long Size)[] children) => Put(
        Multicodec.DagPb,
        new DagPbNode(
            [.. children.Select(c => new DagPbLink(c.Cid, "", (ulong)c.Size))],
            new UnixFsData
            {
                Type = UnixFsType.File,
                FileSize = children.Sum(c => c.Size),
                BlockSizes = [.. children.Select(c => c.Size)],
            }.Encode()).Encode());
}
