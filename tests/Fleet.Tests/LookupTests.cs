using Ipcs.Blockstore;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using Ipcs.TestKit;
using Microsoft.Extensions.Time.Testing;

namespace Ipcs.Fleet.Tests;

/// <summary>Info calls that ask the connected peers, also peers that do not answer.</summary>
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

    [Fact]
    public async Task A_look_ahead_makes_the_answer_immediate()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync(TimeSpan.Zero);
        ContentRecord[] there = [await one.AddAsync(Xs128.Bytes("a", 1000)), await one.AddAsync(Xs128.Bytes("b", 900_000))];
        await two.ConnectAsync(one);
        two.Fleet.LookAhead([.. there.Select(r => r.Digest)]);

        // Without a budget only an earlier answer can be returned.
        foreach (ContentRecord record in there)
        {
            while (await two.Fleet.FindAsync(record.Digest, Cancel) is null)
            {
                await Task.Delay(1, Cancel);
            }

            ValueTask<ContentRecord?> again = two.Fleet.FindAsync(record.Digest, Cancel);
            Assert.True(again.IsCompletedSuccessfully);
            Assert.NotNull(await again);
        }
    }

    [Fact]
    public async Task Contents_of_a_fetched_manifest_are_looked_up_ahead()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        ContentRecord layer = await one.AddAsync(Xs128.Bytes("layer", 5000));
        ContentRecord manifest = await one.AddAsync(
            System.Text.Encoding.ASCII.GetBytes($$"""{"layers":[{"digest":"{{layer.Digest}}"}]}"""));
        await two.ConnectAsync(one);
        await two.TakeAsync(manifest.Digest);
        await two.Fleet.WaitAsync(manifest.Digest, Cancel);

        // No caller asked for the layer; its answer has arrived or is awaited.
        while (!two.Fleet.Knows(layer.Digest))
        {
            await Task.Delay(1, Cancel);
        }
    }

    [Fact]
    public async Task A_content_is_absent_once_all_peers_have_denied()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync(TimeSpan.FromMinutes(5));
        await two.ConnectAsync(one);
        Assert.Null(await two.Fleet.FindAsync(Digest.Sha256("nobody's"u8), Cancel));
    }

    [Fact]
    public async Task A_hanging_peer_is_waited_for_only_once()
    {
        var time = new FakeTimeProvider();
        await using FleetNode alive = await FleetNode.StartAsync();
        await using FleetNode hanging = await FleetNode.StartAsync();
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        hanging.Host.Handle("/ipcs/resolve/1.0.0", async (stream, cancel) =>
        {
            (await stream.ReadMessageAsync(1 << 20, cancel))?.Dispose();
            asked.TrySetResult();
            await Task.Delay(Timeout.Infinite, cancel);
        });
        await using FleetNode two = await FleetNode.StartAsync(TimeSpan.FromMinutes(5), time: time);
        await two.ConnectAsync(alive);
        await two.ConnectAsync(hanging);
        Task<ContentRecord?> first = two.Fleet.FindAsync(Digest.Sha256("first"u8), Cancel).AsTask();
        await asked.Task.WaitAsync(Cancel);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(await two.Fleet.FindAsync(Digest.Sha256("second"u8), Cancel));
        Assert.False(first.IsCompleted);
    }

    [Fact]
    public async Task A_late_answer_is_kept_for_the_next_call()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync(TimeSpan.Zero);
        ContentRecord there = await one.AddAsync(Xs128.Bytes("late", 5000));
        await two.ConnectAsync(one);

        // Without a budget only the answer to an earlier question can be returned.
        while (await two.Fleet.FindAsync(there.Digest, Cancel) is null)
        {
            await Task.Delay(1, Cancel);
        }
    }

    [Fact]
    public async Task A_partial_provider_does_not_make_a_content_found()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        ContentRecord part = await one.AddAsync(Xs128.Bytes("part", 5000), complete: false);
        await two.ConnectAsync(one);
        Assert.Null(await two.Fleet.FindAsync(part.Digest, Cancel));
    }

    [Fact]
    public async Task A_size_that_the_root_block_does_not_have_is_refused()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        ContentRecord there = await one.AddAsync(Xs128.Bytes("size", 500_000));
        one.Store.Commit(there with { Size = 500_001 }, ingestRef: null);
        await two.ConnectAsync(one);
        Assert.Null(await two.Fleet.FindAsync(there.Digest, Cancel));
    }

    [Fact]
    public async Task A_question_after_a_lost_stream_is_answered()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        ContentRecord a = await one.AddAsync(Xs128.Bytes("a", 10));
        ContentRecord b = await one.AddAsync(Xs128.Bytes("b", 10));
        await two.ConnectAsync(one);
        Assert.NotNull(await two.Fleet.FindAsync(a.Digest, Cancel));
        await one.Host.DisconnectAsync(two.Host.LocalPeer);
        await two.ConnectAsync(one);
        Assert.NotNull(await two.Fleet.FindAsync(b.Digest, Cancel));
    }
}
