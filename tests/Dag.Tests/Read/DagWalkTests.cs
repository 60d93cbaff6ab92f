using CsCheck;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests.Read;

public sealed class DagWalkTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_block_is_visited_once() =>
        await Gen.Select(Gen.Int[0, 2000], Gen.Bool, Gen.Int[1, 9]).SampleAsync(async (size, raw, parallelism) =>
    {
        using var store = new MemoryStore();
        DagRoot root = TestDag.Import(store.Blocks, TestDag.Tiny(raw), Xs128.Bytes("walk", size));
        var source = new TestSource(store.Blocks) { Before = async (_, _) => await Task.Yield() };
        var seen = new List<(Multihash, int)>();
        await DagWalk.FetchAsync(root.Root, source, parallelism, (cid, length) => seen.Add((cid.Hash, length)), CancellationToken.None);
        Assert.Equal(store.Blocks.Enumerate().ToHashSet(), seen.ToHashSet());
        Assert.Equal(seen.Count, seen.Distinct().Count());
        Assert.Equal(seen.Count, source.Asked.Count);
        Assert.Equal(source.Asked.Count(cid => cid.Codec == Multicodec.Raw), source.Unread);
        Assert.InRange(source.MostInFlight, 1, parallelism);
        Assert.Equal(0, source.Held);
        Assert.Equal(seen.Count, DagVerify.Reachable(store.Blocks, root.Root, CancellationToken.None).Count());
    }, iter: 200);

    [Fact]
    public async Task A_walk_of_one_block_at_a_time_is_depth_first_and_in_order()
    {
        using var store = new MemoryStore();
        byte[] data = Xs128.Bytes("order", 16 * 20);
        DagRoot root = TestDag.Import(store.Blocks, TestDag.Tiny(), data);
        var leaves = new List<Cid>();
        await DagWalk.FetchAsync(
            root.Root,
            new LocalBlockSource(store.Blocks),
            1,
            (cid, _) =>
            {
                if (cid.Codec == Multicodec.Raw)
                {
                    leaves.Add(cid);
                }
            },
            Token);
        Assert.Equal(Enumerable.Range(0, 20).Select(i => Cid.V1(Multicodec.Raw, Multihash.Sha256(data.AsSpan(16 * i, 16)))), leaves);
    }

    [Fact]
    public async Task Shared_blocks_are_fetched_once()
    {
        using var store = new MemoryStore();
        DagRoot root = TestDag.Import(store.Blocks, TestDag.Tiny(raw: false), new byte[16 * 27]);
        var source = new TestSource(store.Blocks);
        await DagWalk.FetchAsync(root.Root, source, 4, null, Token);
        Assert.Equal(4, source.Asked.Count);
    }

    [Fact]
    public async Task A_missing_block_ends_the_walk()
    {
        using var store = new MemoryStore();
        byte[] data = Xs128.Bytes("walk", 16 * 9);
        DagRoot root = TestDag.Import(store.Blocks, TestDag.Tiny(), data);
        store.Blocks.Delete(Multihash.Sha256(data.AsSpan(32, 16)));
        var source = new TestSource(store.Blocks);
        await Assert.ThrowsAsync<BlockNotFoundException>(() => DagWalk.FetchAsync(root.Root, source, 4, null, Token));
        Assert.Equal(0, source.Held);
    }

    [Fact]
    public async Task A_walk_is_cancelled()
    {
        using var store = new MemoryStore();
        DagRoot root = TestDag.Import(store.Blocks, TestDag.Tiny(), Xs128.Bytes("walk", 1000));
        using var cancel = new CancellationTokenSource();
        var source = new TestSource(store.Blocks)
        {
            Before = (cid, token) => cid == root.Root ? Task.CompletedTask : new TaskCompletionSource().Task.WaitAsync(token),
        };
        Task fetching = DagWalk.FetchAsync(root.Root, source, 4, null, cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => fetching);
        Assert.Equal(0, source.Held);
    }

    [Fact]
    public async Task A_block_that_does_not_decode_ends_the_walk()
    {
        using var store = new MemoryStore();
        Cid bad = TestDag.Put(store.Blocks, "not dag-pb"u8.ToArray());
        Cid foreign = TestDag.Put(store.Blocks, [0xa0], codec: 0x71);
        foreach (Cid child in new[] { bad, foreign })
        {
            Cid root = TestDag.Put(store.Blocks, new DagPbNode([new DagPbLink(child, "x", 1)], [8, 1]).Encode());
            await Assert.ThrowsAsync<DagFormatException>(
                () => DagWalk.FetchAsync(root, new LocalBlockSource(store.Blocks), 4, null, Token));
            Assert.Equal([child], DagVerify.Missing(store.Blocks, root, Token));
        }
    }

    [Fact]
    public void A_bomb_of_links_is_refused()
    {
        // Twelve levels of the widest nodes: each block is small, but the number of blocks to visit is not.
        using var store = new MemoryStore();
        Cid next = Cid.V1(Multicodec.Raw, new Multihash(Multihash.Identity, [0]));
        for (int level = 0; level < 12; level++)
        {
            var links = new DagPbLink[DagPbNode.MaxLinks];
            for (int i = 0; i < links.Length; i++)
            {
                links[i] = new DagPbLink(
                    i == 0
                        ? next
                        : Cid.V1(Multicodec.Raw, new Multihash(Multihash.Identity, BitConverter.GetBytes((level << 20) + i))), "", 0)
                { HasName = false, HasTsize = false };
            }

            next = TestDag.Put(store.Blocks, new DagPbNode(links, null).Encode());
        }

        Assert.Throws<DagFormatException>(() => DagVerify.IsComplete(store.Blocks, next, Token));
    }
}
