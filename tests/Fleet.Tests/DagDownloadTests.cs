using System.Buffers;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Client;
using Ipcs.Dag;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Fleet.Tests;

/// <summary>Readers of whole DAGs that follow their fetch.</summary>
public sealed class DagDownloadTests
{
    private static readonly BitswapOptions Impatient = new() { NoPeerTime = TimeSpan.FromSeconds(1), IsLeaf = DagWalk.IsLeaf };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Hosts_that_read_the_same_file_at_once_trade_its_blocks()
    {
        byte[] bytes = Xs128.Bytes("trade", 24 << 20);
        await using FleetNode source = await FleetNode.StartAsync(
            options: new BitswapOptions { UploadRate = 16 << 20, IsLeaf = DagWalk.IsLeaf });
        DagRoot root = await ImportAsync(source, bytes);
        FleetNode[] readers = [.. await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => FleetNode.StartAsync()))];
        for (int i = 0; i < readers.Length; i++)
        {
            await readers[i].ConnectAsync(source);
            foreach (FleetNode other in readers[..i])
            {
                await readers[i].ConnectAsync(other);
            }
        }

        await Task.WhenAll(readers.Select(async reader => Assert.Equal(bytes, await ReadAsync(reader, root.Root))));
        double sent = (double)source.Bitswap.Statistics.BytesSent / bytes.Length;
        Assert.InRange(sent, 1, 2);
        foreach (FleetNode reader in readers)
        {
            await reader.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_reader_in_any_order_gets_each_block()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        await two.ConnectAsync(one);
        DagRoot root = await ImportAsync(one, Xs128.Bytes("order", 8 << 20));
        await using DagDownload download = two.Fleet.Download(root.Root);
        Cid[] all = [.. DagVerify.Reachable(one.Store.Blocks, root.Root, Cancel)];
        foreach (Cid cid in all.Reverse())
        {
            using IMemoryOwner<byte> block = await download.GetAsync(cid, Cancel);
            Assert.True(cid.Hash.Verifies(block.Memory.Span));
        }
    }

    [Fact]
    public async Task A_reader_of_a_DAG_that_nobody_has_gets_an_error()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync(options: Impatient);
        await two.ConnectAsync(one);
        byte[] bytes = Xs128.Bytes("missing", 3 << 20);
        DagRoot root = await ImportAsync(one, bytes);
        one.Store.Blocks.Delete(Multihash.Sha256(bytes.AsSpan(1 << 20, 256 << 10)));
        await Assert.ThrowsAsync<BlockNotFoundException>(() => ReadAsync(two, root.Root));
    }

    [Fact]
    public async Task A_reader_that_leaves_ends_the_fetch()
    {
        await using FleetNode one = await FleetNode.StartAsync(options: new BitswapOptions { UploadRate = 1 << 20 });
        await using FleetNode two = await FleetNode.StartAsync();
        await two.ConnectAsync(one);
        DagRoot root = await ImportAsync(one, Xs128.Bytes("leaves", 8 << 20));
        await using (DagDownload download = two.Fleet.Download(root.Root))
        {
            (await download.GetAsync(root.Root, Cancel)).Dispose();
        }

        Assert.Empty(two.Bitswap.Wantlist());
        Assert.False(DagVerify.IsComplete(two.Store.Blocks, root.Root, Cancel));
    }

    private static async Task<byte[]> ReadAsync(FleetNode node, Cid root)
    {
        await using DagDownload download = node.Fleet.Download(root);
        await using DagReader reader = await DagReader.OpenAsync(root, download, 32, Cancel);
        var copy = new MemoryStream();
        await reader.CopyToAsync(copy, 0, reader.Length, Cancel);
        return copy.ToArray();
    }

    private static Task<DagRoot> ImportAsync(FleetNode node, byte[] data) =>
        DagImport.FromStreamAsync(new MemoryStream(data), node.Store.Blocks, ImportProfile.KuboV1, alsoHash: null, Cancel);
}
