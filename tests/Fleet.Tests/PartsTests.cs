using Ipcs.Dag;
using System.Buffers;
using Ipcs.Bitswap;
using Ipcs.Blockstore;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Fleet.Tests;

/// <summary>Contents of which nobody has the whole, and three have every third block each.</summary>
public sealed class PartsTests : IAsyncLifetime
{
    private readonly List<FleetNode> _nodes = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (FleetNode node in _nodes)
        {
            await node.DisposeAsync();
        }
    }

    [Fact]
    public async Task What_lies_in_thirds_is_fetched_where_nobody_has_the_whole()
    {
        byte[] bytes = Xs128.Bytes("thirds", 20_000_000);
        (Digest digest, FleetNode[] holders, int blocks) = await ThirdsAsync(bytes);
        FleetNode two = await StartAsync();
        await ConnectAsync(two, holders);

        // containerd is promised nothing by it.
        Assert.Null(await two.Fleet.FindAsync(digest, Cancel));
        await FetchAsync(two, digest, bytes.Length);
        Assert.True(two.Store.Contents.Get(digest)!.Complete);
        Assert.Equal(bytes, await ReadAsync(two, digest));

        // The root may have come beside the answer to who has it.
        Assert.InRange(two.Bitswap.Statistics.BlocksReceived, blocks - 1, blocks);
        Assert.InRange(two.Bitswap.Statistics.DuplicateBlocks, 0, 1);
    }

    [Fact]
    public async Task The_root_alone_is_found_in_a_store_that_says_nothing_of_it()
    {
        byte[] bytes = Xs128.Bytes("root", 2_000_000);
        (Digest digest, FleetNode[] holders, int _) = await ThirdsAsync(bytes);
        foreach (FleetNode holder in holders)
        {
            // As a node of another implementation, which speaks Bitswap alone.
            holder.Host.Handle("/ipcs/resolve/1.0.0", (_, _) => throw new InvalidDataException("not spoken"));
        }

        FleetNode two = await StartAsync();
        await ConnectAsync(two, holders);
        await FetchAsync(two, digest, bytes.Length);
        Assert.Equal(bytes, await ReadAsync(two, digest));
    }

    [Fact]
    public async Task A_blob_of_one_block_needs_no_record()
    {
        FleetNode one = await StartAsync(), two = await StartAsync();
        byte[] bytes = Xs128.Bytes("raw", 5000);
        var digest = Digest.Sha256(bytes);
        one.Store.Blocks.Put(digest.Hash, bytes);
        await two.ConnectAsync(one);
        ContentRecord found = Assert.IsType<ContentRecord>(await two.Fleet.SearchAsync(digest, Cancel));
        Assert.Equal((ContentKind.Blob, Cid.V1(Multicodec.Raw, digest.Hash), bytes.Length), (found.Kind, found.Root, found.Size));
        two.Store.Commit(found with { Complete = false }, ingestRef: null);
        await two.Fleet.WaitAsync(digest, Cancel);
        Assert.True(two.Store.Contents.Get(digest)!.Complete);
    }

    [Fact]
    public async Task With_a_third_missing_it_fails_by_name_and_succeeds_when_that_holder_is_back()
    {
        byte[] bytes = Xs128.Bytes("missing", 3_000_000);
        (Digest digest, FleetNode[] holders, int _) = await ThirdsAsync(bytes);
        FleetNode two = await StartAsync(new BitswapOptions { NoPeerTime = TimeSpan.FromSeconds(1) });
        await ConnectAsync(two, holders[..2]);
        ContentUnavailableException e = await Assert.ThrowsAsync<ContentUnavailableException>(() => FetchAsync(two, digest, bytes.Length));
        Assert.Contains(digest.ToString(), e.Message, StringComparison.Ordinal);
        Assert.Contains("none of the 2 peers asked has said to have it", e.Message, StringComparison.Ordinal);
        await two.ConnectAsync(holders[2]);
        await two.Fleet.WaitAsync(digest, Cancel);
        Assert.Equal(bytes, await ReadAsync(two, digest));
    }

    [Fact]
    public async Task What_was_promised_comes_from_parts_when_whoever_had_the_whole_is_gone()
    {
        byte[] bytes = Xs128.Bytes("promised", 3_000_000);
        (Digest digest, FleetNode[] holders, int _) = await ThirdsAsync(bytes);
        FleetNode two = await StartAsync();
        two.Store.Commit(
            new ContentRecord { Digest = digest, Kind = ContentKind.Dag, Root = Cid.V0(digest.Hash), Size = bytes.Length, Owned = true }, ingestRef: null);
        two.Fleet.Resume();
        await ConnectAsync(two, holders);
        await two.Fleet.WaitAsync(digest, Cancel);
        Assert.Equal(bytes, await ReadAsync(two, digest));
    }

    [Fact]
    public async Task A_reader_gets_each_block_from_whoever_has_it()
    {
        byte[] bytes = Xs128.Bytes("reader", 5_000_000);
        (Digest digest, FleetNode[] holders, int _) = await ThirdsAsync(bytes);
        FleetNode two = await StartAsync();
        await ConnectAsync(two, holders);
        await using BitswapSource source = two.Fleet.AnySource();
        await using DagReader reader = await DagReader.OpenAsync(Cid.V0(digest.Hash), source, readAhead: 8, Cancel);
        var read = new MemoryStream();
        await reader.CopyToAsync((piece, _) =>
        {
            read.Write(piece.Span);
            return ValueTask.CompletedTask;
        }, 0, reader.Length, Cancel);
        Assert.Equal(bytes, read.ToArray());
    }

    /// <summary>Three nodes with every third block of a file each; the digest is that of its root.</summary>
    private async Task<(Digest Digest, FleetNode[] Providers, int Blocks)> ThirdsAsync(byte[] bytes)
    {
        await using FleetNode maker = await FleetNode.StartAsync();
        ContentRecord made = await maker.AddAsync(bytes);
        FleetNode[] holders = [await StartAsync(), await StartAsync(), await StartAsync()];
        Cid[] blocks = [.. DagVerify.Reachable(maker.Store.Blocks, made.Root, Cancel)];
        for (int i = 0; i < blocks.Length; i++)
        {
            using IMemoryOwner<byte> block = maker.Store.Blocks.Get(blocks[i].Hash)!;
            holders[i % 3].Store.Blocks.Put(blocks[i].Hash, block.Memory.Span);
        }

        return (new Digest(made.Root.Hash), holders, blocks.Length);
    }

    private async Task<FleetNode> StartAsync(BitswapOptions? options = null)
    {
        FleetNode node = await FleetNode.StartAsync(options: options);
        _nodes.Add(node);
        return node;
    }

    private static async Task ConnectAsync(FleetNode node, FleetNode[] others)
    {
        foreach (FleetNode other in others)
        {
            await node.ConnectAsync(other);
        }
    }

    /// <summary>As <c>pull</c> does it.</summary>
    private static async Task FetchAsync(FleetNode node, Digest digest, long size)
    {
        ContentRecord found = Assert.IsType<ContentRecord>(await node.Fleet.SearchAsync(digest, Cancel));
        Assert.Equal((ContentKind.Dag, digest.Hash, size, false), (found.Kind, found.Root.Hash, found.Size, found.Complete));
        node.Store.Commit(found, ingestRef: null);
        await node.Fleet.WaitAsync(digest, Cancel);
    }

    private static async Task<byte[]> ReadAsync(FleetNode node, Digest digest)
    {
        await using DagReader reader = await DagReader.OpenAsync(Cid.V0(digest.Hash), new Dag.LocalBlockSource(node.Store.Blocks), 0, Cancel);
        byte[] bytes = new byte[reader.Length];
        int done = 0;
        while (done < bytes.Length)
        {
            done += await reader.ReadAsync(done, bytes.AsMemory(done), Cancel);
        }

        return bytes;
    }
}
