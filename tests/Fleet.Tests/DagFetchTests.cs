using System.Buffers;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Client;
using Ipcs.Dag;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Fleet.Tests;

/// <summary>Fetches of whole DAGs by their root.</summary>
public sealed class DagFetchTests
{
    private static readonly BitswapOptions Impatient = new() { NoPeerTime = TimeSpan.FromSeconds(1), IsLeaf = DagWalk.IsLeaf };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Every_block_is_fetched_once(bool raw)
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        await two.ConnectAsync(one);
        DagRoot root = await ImportAsync(one, Xs128.Bytes("once", 16 * 2000), raw);
        int blocks = 0;
        await two.Fleet.FetchDagAsync(root.Root, () => blocks++, Cancel);
        Assert.True(DagVerify.IsComplete(two.Store.Blocks, root.Root, Cancel));
        Assert.Equal(one.Store.Blocks.Enumerate().Count(), blocks);
        // The root comes with the answer to the question who has it, or as a block.
        Assert.InRange(two.Bitswap.Statistics.BlocksReceived, blocks - 1, blocks);
        Assert.Equal(0, two.Bitswap.Statistics.DuplicateBlocks);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Blocks_are_wanted_in_the_order_of_the_file(bool raw)
    {
        await using FleetNode node = await FleetNode.StartAsync();
        byte[] data = Xs128.Bytes("order", 16 * 1500);
        DagRoot root = await ImportAsync(node, data, raw);
        var leaves = new List<Cid>();

        // Stored blocks are reported in the order in which they are wanted.
        await using BitswapSession session = node.Bitswap.CreateSession();
        await new DagFetch(node.Store.Blocks, session, root.Root, (cid, _) =>
        {
            using IMemoryOwner<byte> block = node.Store.Blocks.Get(cid.Hash)!;
            if (!DagWalk.Children(cid, block.Memory.Span).Any())
            {
                leaves.Add(cid);
            }
        }).RunAsync(Cancel);
        var expected = new List<Cid>();
        await foreach ((Cid cid, ReadOnlyMemory<byte> block) in DagWalk.InOrderAsync(
            [root.Root], new LocalBlockSource(node.Store.Blocks), 0, Cancel))
        {
            if (!DagWalk.Children(cid, block.Span).Any())
            {
                expected.Add(cid);
            }
        }

        Assert.Equal(expected, leaves);
    }

    [Fact]
    public async Task Shared_and_stored_blocks_are_not_fetched()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        await two.ConnectAsync(one);
        DagRoot root = await ImportAsync(one, new byte[16 * 27], raw: false);
        using (IMemoryOwner<byte> block = one.Store.Blocks.Get(root.Root.Hash)!)
        {
            two.Store.Blocks.Put(root.Root.Hash, block.Memory.Span);
        }

        int blocks = 0;
        await two.Fleet.FetchDagAsync(root.Root, () => blocks++, Cancel);
        Assert.Equal(4, blocks);
        Assert.Equal(3, two.Bitswap.Statistics.BlocksReceived);
    }

    [Fact]
    public async Task Children_of_a_block_inside_a_CID_are_fetched()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        await two.ConnectAsync(one);
        byte[] leaf = Xs128.Bytes("leaf", 40);
        Cid child = Cid.V1(Multicodec.Raw, Multihash.Sha256(leaf));
        one.Store.Blocks.Put(child.Hash, leaf);
        byte[] node = new DagPbNode([new DagPbLink(child, "", (ulong)leaf.Length)], [8, 1]).Encode();
        await two.Fleet.FetchDagAsync(Cid.V1(Multicodec.DagPb, new Multihash(Multihash.Identity, node)), () => { }, Cancel);
        Assert.True(two.Store.Blocks.Has(child.Hash));
    }

    [Fact]
    public async Task A_missing_block_ends_the_fetch()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync(options: Impatient);
        await two.ConnectAsync(one);
        byte[] data = Xs128.Bytes("missing", 16 * 9);
        DagRoot root = await ImportAsync(one, data, raw: true);
        one.Store.Blocks.Delete(Multihash.Sha256(data.AsSpan(32, 16)));
        await Assert.ThrowsAsync<BlockNotFoundException>(() => two.Fleet.FetchDagAsync(root.Root, () => { }, Cancel));
    }

    [Fact]
    public async Task A_block_that_does_not_decode_ends_the_fetch()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        await two.ConnectAsync(one);
        byte[] bad = "not dag-pb"u8.ToArray();
        one.Store.Blocks.Put(Multihash.Sha256(bad), bad);
        Cid root = Cid.V1(Multicodec.DagPb, Multihash.Sha256(bad));
        await Assert.ThrowsAsync<DagFormatException>(() => two.Fleet.FetchDagAsync(root, () => { }, Cancel));
    }

    [Fact]
    public async Task A_fetch_is_cancelled()
    {
        await using FleetNode two = await FleetNode.StartAsync();
        using var stop = new CancellationTokenSource();
        Task fetching = two.Fleet.FetchDagAsync(Cid.V1(Multicodec.Raw, Multihash.Sha256("nowhere"u8)), () => { }, stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => fetching);
    }

    private static async Task<DagRoot> ImportAsync(FleetNode node, byte[] data, bool raw)
    {
        var profile = new ImportProfile
        {
            Name = "tiny",
            CidVersion = raw ? 1 : 0,
            RawLeaves = raw,
            Chunker = ChunkerSpec.Size(16),
            MaxChildren = 3,
        };
        return await DagImport.FromStreamAsync(new MemoryStream(data), node.Store.Blocks, profile, alsoHash: null, Cancel);
    }
}
