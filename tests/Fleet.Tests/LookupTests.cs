using Ipcs.Bitswap;
using Ipcs.Blockstore;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using Ipcs.TestKit;
using Microsoft.Extensions.Time.Testing;

namespace Ipcs.Fleet.Tests;

/// <summary>Fetches that ask the connected peers, also peers that do not answer.</summary>
public sealed class LookupTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(20_000)]
    [InlineData(200_000)]
    [InlineData(3_000_000)]
    public async Task A_content_of_a_peer_is_found_and_fetched(int length)
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        ContentRecord there = await one.AddAsync(Xs128.Bytes("content", length));
        await two.ConnectAsync(one);
        ContentRecord taken = await two.TakeAsync(there.Digest);
        Assert.Equal((there.Root, there.Size, there.Kind), (taken.Root, taken.Size, taken.Kind));
        await two.Fleet.WaitAsync(there.Digest, Cancel);
        Assert.True(two.Store.Contents.Get(there.Digest)!.Complete);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(20_000)]
    [InlineData(3_000_000)]
    public async Task A_content_is_fetched_and_recorded_without_an_owner(int length)
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        ContentRecord there = await one.AddAsync(Xs128.Bytes("fetch", length));
        await two.ConnectAsync(one);
        long progress = 0;
        ContentRecord? here = await two.Fleet.FetchAsync(there.Digest, bytes => progress = bytes, Cancel);
        Assert.Equal((there.Root, there.Size, there.Kind, true, false), (here?.Root, here?.Size, here?.Kind, here?.Complete, here?.Owned));
        Assert.Equal(here?.Root, Assert.Single(two.Store.Contents.Enumerate()).Root);
        Assert.Equal(length, progress);
    }

    [Fact]
    public async Task Contents_are_fetched_ahead()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        ContentRecord[] there = [await one.AddAsync(Xs128.Bytes("a", 1000)), await one.AddAsync(Xs128.Bytes("b", 900_000))];
        await two.ConnectAsync(one);
        two.Fleet.LookAhead([.. there.Select(r => r.Digest), Digest.Sha256("nobody's"u8)]);
        while (two.Fleet.FetchesUnderWay > 0)
        {
            await Task.Delay(1, Cancel);
        }

        Assert.Equal(
            there.Select(r => r.Digest.ToString()).Order(), two.Store.Contents.Enumerate().Select(r => r.Digest.ToString()).Order());
        Assert.All(two.Store.Contents.Enumerate(), r => Assert.True(r is { Complete: true, Owned: false }));
    }

    [Fact]
    public async Task A_fetch_that_nobody_waits_for_any_more_is_stopped()
    {
        await using FleetNode one = await FleetNode.StartAsync(options: new BitswapOptions { UploadRate = 500_000 });
        await using FleetNode two = await FleetNode.StartAsync();
        ContentRecord there = await one.AddAsync(Xs128.Bytes("stop", 20_000_000));
        await two.ConnectAsync(one);
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        Task<ContentRecord?> first = two.Fleet.FetchAsync(there.Digest, _ => { }, leaving.Token);
        Task<ContentRecord?> second = two.Fleet.FetchAsync(there.Digest, _ => { }, leaving.Token);
        while (two.Bitswap.Statistics.BlocksReceived == 0)
        {
            await Task.Delay(1, Cancel);
        }

        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        Assert.Equal(0, two.Fleet.FetchesUnderWay);
        Assert.Empty(two.Store.Contents.Enumerate());
    }

    [Fact]
    public async Task A_content_is_absent_once_all_peers_have_denied()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync(TimeSpan.FromMinutes(5));
        await two.ConnectAsync(one);
        Assert.Null(await two.Fleet.FetchAsync(Digest.Sha256("nobody's"u8), _ => { }, Cancel));
    }

    [Fact]
    public async Task A_hanging_peer_is_waited_for_only_once()
    {
        var time = new FakeTimeProvider();
        await using FleetNode alive = await FleetNode.StartAsync();
        await using FleetNode hanging = await FleetNode.StartAsync();
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        hanging.Host.Handle("/ipcs/resolve/2.0.0", async (stream, cancel) =>
        {
            (await stream.ReadMessageAsync(1 << 20, cancel))?.Dispose();
            asked.TrySetResult();
            await Task.Delay(Timeout.Infinite, cancel);
        });
        await using FleetNode two = await FleetNode.StartAsync(TimeSpan.FromMinutes(5), time: time);
        await two.ConnectAsync(alive);
        await two.ConnectAsync(hanging);
        Task<ContentRecord?> first = two.Fleet.FetchAsync(Digest.Sha256("first"u8), _ => { }, Cancel);
        await asked.Task.WaitAsync(Cancel);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(await two.Fleet.FetchAsync(Digest.Sha256("second"u8), _ => { }, Cancel));
        Assert.False(first.IsCompleted);
    }

    [Fact]
    public async Task A_partial_provider_does_not_make_a_content_found()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        ContentRecord part = await one.AddAsync(Xs128.Bytes("part", 500_000), complete: false);
        await two.ConnectAsync(one);
        Assert.Null(await two.Fleet.FetchAsync(part.Digest, _ => { }, Cancel));
    }

    [Fact]
    public async Task A_size_that_the_root_block_does_not_have_is_refused()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        ContentRecord there = await one.AddAsync(Xs128.Bytes("size", 500_000));
        one.Store.Commit(there with { Size = 500_001 }, ingestRef: null);
        await two.ConnectAsync(one);
        Assert.Null(await two.Fleet.FetchAsync(there.Digest, _ => { }, Cancel));
    }

    [Fact]
    public async Task A_question_after_a_lost_stream_is_answered()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        ContentRecord a = await one.AddAsync(Xs128.Bytes("a", 10));
        ContentRecord b = await one.AddAsync(Xs128.Bytes("b", 10));
        await two.ConnectAsync(one);
        Assert.NotNull(await two.Fleet.FetchAsync(a.Digest, _ => { }, Cancel));
        await one.Host.DisconnectAsync(two.Host.LocalPeer);
        await two.ConnectAsync(one);
        Assert.NotNull(await two.Fleet.FetchAsync(b.Digest, _ => { }, Cancel));
    }
}
