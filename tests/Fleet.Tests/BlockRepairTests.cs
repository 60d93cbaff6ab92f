using System.Buffers;
using Ipcs.Bitswap;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Compression;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Fleet.Tests;

/// <summary>Blocks that are damaged on the disk of one node.</summary>
public sealed class BlockRepairTests
{
    private static readonly BitswapOptions Impatient = new() { NoPeerTime = TimeSpan.FromMilliseconds(300), IsLeaf = DagWalk.IsLeaf };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_owned_content_is_fetched_again_and_the_others_stay_complete()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync(options: Impatient);
        byte[] data = Xs128.Bytes("damaged", 1_000_000);
        ContentRecord content = await one.AddAsync(data);
        await two.AddAsync(data);
        ContentRecord other = await two.AddAsync(Xs128.Bytes("intact", 600_000));
        Multihash leaf = Multihash.Sha256(data.AsSpan(262_144, 262_144));
        Damage(two, leaf, 262_144);
        Assert.False(two.Store.Blocks.Has(leaf));
        await UntilAsync(() => two.Store.Contents.Get(content.Digest) is { Complete: false });
        Assert.True(two.Store.Contents.Get(other.Digest)!.Complete);

        await two.ConnectAsync(one);
        await UntilAsync(() => two.Store.Contents.Get(content.Digest) is { Complete: true });
        using IMemoryOwner<byte> healed = two.Store.Blocks.Get(leaf)!;
        Assert.Equal(leaf, Multihash.Sha256(healed.Memory.Span));
        Assert.Equal(1, two.Bitswap.Statistics.BlocksReceived);
    }

    [Fact]
    public async Task A_content_without_an_owner_is_no_longer_offered()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        byte[] data = Xs128.Bytes("unowned", 1_000_000);
        ContentRecord content = await one.AddAsync(data);
        one.Store.Contents.Put(content with { Owned = false });
        Damage(one, content.Root.Hash, 300);
        await UntilAsync(() => one.Store.Contents.Get(content.Digest) is { Complete: false });
        Assert.Equal(0, one.Fleet.FetchesUnderWay);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_pinned_DAG_is_fetched_again(bool recursive)
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync(options: Impatient);
        byte[] data = Xs128.Bytes("pinned", 600_000);
        ContentRecord content = await one.AddAsync(data);
        await two.AddAsync(data);
        two.Store.Contents.Delete(content.Digest);
        two.Store.Pins.Put(new PinRecord(content.Root, recursive, ""));
        await two.ConnectAsync(one);
        Multihash hash = recursive ? Multihash.Sha256(data.AsSpan(0, 262_144)) : content.Root.Hash;
        Damage(two, hash, 262_144);

        // A block is counted after it is stored.
        await UntilAsync(() => two.Store.Blocks.Has(hash) && two.Bitswap.Statistics.BlocksReceived > 0);
        Assert.Equal(1, two.Bitswap.Statistics.BlocksReceived);
    }

    [Fact]
    public async Task What_lacks_blocks_is_fetched_when_a_repair_is_asked_for_and_what_nobody_has_is_named()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync(options: Impatient);
        byte[] data = Xs128.Bytes("shared", 1_000_000), alone = Xs128.Bytes("alone", 600_000);
        ContentRecord content = await one.AddAsync(data);
        await two.AddAsync(data);
        ContentRecord lost = await two.AddAsync(alone);
        two.Store.Pins.Put(new PinRecord(content.Root, Recursive: true, ""));
        two.Store.Pins.Put(new PinRecord(lost.Root, Recursive: false, ""));
        await two.ConnectAsync(one);

        // Deleted, so that nothing tells the daemon.
        Multihash leaf = Multihash.Sha256(data.AsSpan(262_144, 262_144));
        two.Store.Blocks.Delete(leaf);
        two.Store.Blocks.Delete(Multihash.Sha256(alone.AsSpan(262_144, 262_144)));
        List<string> told = [];
        Assert.Equal(1, await two.Fleet.RepairAsync(told.Add, Cancel));
        Assert.Contains($"content {content.Digest} is repaired", told);
        Assert.Contains(told, line => line.StartsWith($"content {lost.Digest} could not be repaired: ", StringComparison.Ordinal));
        Assert.True(two.Store.Blocks.Has(leaf));
        Assert.True(two.Store.Contents.Get(content.Digest)!.Complete);
        Assert.False(two.Store.Contents.Get(lost.Digest)!.Complete);
        Assert.DoesNotContain(told, line => line.Contains(lost.Root.ToString(), StringComparison.Ordinal));

        await two.AddAsync(alone);
        told.Clear();
        Assert.Equal(0, await two.Fleet.RepairAsync(told.Add, Cancel));
    }

    /// <summary>Replaces a block by half of a zstd frame, and reads it.</summary>
    private static void Damage(FleetNode node, in Multihash hash, int length)
    {
        using IMemoryOwner<byte> frame = CompressedBlock.TryCompress(new byte[length])!;
        node.Store.Blocks.Delete(hash);
        node.Store.Blocks.PutCompressed(hash, frame.Memory.Span[..^3]);
        Multihash damaged = hash;
        Assert.True(Assert.Throws<StoreException>(() => node.Store.Blocks.Get(damaged)).IsCorruption);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(5, Cancel);
        }
    }
}
