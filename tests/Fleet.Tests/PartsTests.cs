using Ipcs.Dag;
using System.Buffers;
using Ipcs.Bitswap;
using Ipcs.Blockstore;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Fleet.Tests;

/// <summary>Contents that no peer has completely: each of three peers has every third block.</summary>
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
    public async Task A_content_that_no_peer_has_completely_is_fetched_from_parts()
    {
        byte[] bytes = Xs128.Bytes("thirds", 20_000_000);
        (Digest digest, FleetNode[] holders, int blocks) = await ThirdsAsync(bytes);
        FleetNode two = await StartAsync();
        await ConnectAsync(two, holders);

        // A client that can get it elsewhere does not get it from parts.
        Assert.Null(await two.Fleet.FetchAsync(digest, _ => { }, Cancel));
        await FetchAsync(two, digest, bytes.Length);
        Assert.True(two.Store.Contents.Get(digest)!.Complete);
        Assert.Equal(bytes, await ReadAsync(two, digest));

        // The root block may have arrived with the resolve answer.
        Assert.InRange(two.Bitswap.Statistics.BlocksReceived, blocks - 1, blocks);
        Assert.InRange(two.Bitswap.Statistics.DuplicateBlocks, 0, 1);
    }

    [Fact]
    public async Task A_root_is_found_at_peers_without_the_resolve_protocol()
    {
        byte[] bytes = Xs128.Bytes("root", 2_000_000);
        (Digest digest, FleetNode[] holders, int _) = await ThirdsAsync(bytes);
        foreach (FleetNode holder in holders)
        {
            // Like a node of another implementation, which supports Bitswap only.
            foreach (string version in (string[])["1.0.0", "2.0.0"])
            {
                holder.Host.Handle($"/ipcs/resolve/{version}", (_, _) => throw new InvalidDataException("not spoken"));
            }
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
    public async Task A_fetch_without_one_part_fails_and_succeeds_once_its_provider_is_back()
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
    public async Task An_owned_content_is_fetched_from_parts_without_a_complete_peer()
    {
        byte[] bytes = Xs128.Bytes("promised", 3_000_000);
        (Digest digest, FleetNode[] holders, int _) = await ThirdsAsync(bytes);
        FleetNode two = await StartAsync();
        two.Store.Commit(
            new ContentRecord { Digest = digest, Kind = ContentKind.Dag, Root = Cid.V0(digest.Hash), Size = bytes.Length, Owned = true },
            ingestRef: null);
        two.Fleet.Resume();
        await ConnectAsync(two, holders);
        await two.Fleet.WaitAsync(digest, Cancel);
        Assert.Equal(bytes, await ReadAsync(two, digest));
    }

    [Fact]
    public async Task A_reader_gets_each_block_from_the_peer_that_has_it()
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

    /// <summary>Starts three nodes with every third block of a file each; the digest is the root's.</summary>
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

    /// <summary>Fetches a content as <c>pull</c> does.</summary>
    private static async Task FetchAsync(FleetNode node, Digest digest, long size)
    {
        ContentRecord found = Assert.IsType<ContentRecord>(await node.Fleet.SearchAsync(digest, Cancel));
        Assert.Equal((ContentKind.Dag, digest.Hash, size, false), (found.Kind, found.Root.Hash, found.Size, found.Complete));
        node.Store.Commit(found, ingestRef: null);
        await node.Fleet.WaitAsync(digest, Cancel);
    }

    private static async Task<byte[]> ReadAsync(FleetNode node, Digest digest)
    {
        var blocks = new Dag.LocalBlockSource(node.Store.Blocks);
        await using DagReader reader = await DagReader.OpenAsync(Cid.V0(digest.Hash), blocks, 0, Cancel);
        byte[] bytes = new byte[reader.Length];
        int done = 0;
        while (done < bytes.Length)
        {
            done += await reader.ReadAsync(done, bytes.AsMemory(done), Cancel);
        }

        return bytes;
    }
}
