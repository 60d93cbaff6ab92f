using Ipcs.Blockstore.Memory;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests.Read;

public sealed class DagWalkTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

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

    [Fact]
    public void A_block_is_reached_from_the_roots_above_it_only()
    {
        using var store = new MemoryStore();
        byte[] data = Xs128.Bytes("reach", 16 * 50);
        Cid root = TestDag.Import(store.Blocks, TestDag.Tiny(), data).Root;
        Multihash leaf = Multihash.Sha256(data.AsSpan(16 * 33, 16));
        store.Blocks.Delete(leaf);
        Assert.True(DagVerify.Reaches(store.Blocks, root, new HashSet<Multihash> { leaf }, Token));
        Assert.True(DagVerify.Reaches(store.Blocks, root, new HashSet<Multihash> { root.Hash }, Token));
        var foreign = new HashSet<Multihash> { Multihash.Sha256("another"u8) };
        Assert.False(DagVerify.Reaches(store.Blocks, root, foreign, Token));

        // Below a node that is gone there may be anything.
        store.Blocks.Delete(root.Hash);
        Assert.True(DagVerify.Reaches(store.Blocks, root, foreign, Token));
    }
}
