using Ipcs.Blockstore.Memory;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

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
}
