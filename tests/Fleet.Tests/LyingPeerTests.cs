using System.Diagnostics;
using Ipcs.Blockstore;
using Ipcs.Fleet.Locating;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Fleet.Tests;

/// <summary>Fetches of contents that peers claim and do not give.</summary>
public sealed class LyingPeerTests
{
    public static TheoryData<string> Ways => [.. Enum.GetNames<LyingWay>()];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_liar_alone_costs_seconds_once_and_leaves_nothing(string name)
    {
        LyingWay way = Enum.Parse<LyingWay>(name);
        await using LyingPeer liar = await LyingPeer.StartAsync(way, TimeProvider.System);
        await using FleetNode two = await FleetNode.StartAsync();
        byte[] bytes = Xs128.Bytes("alone", 6_000_000);
        await liar.ClaimAsync(bytes);
        await two.Host.ConnectAsync(liar.Host.ListenAddresses[0], Cancel);
        await WaitForPeerAsync(two, liar);
        var watch = Stopwatch.StartNew();
        Assert.Null(await two.Fleet.FetchAsync(Digest.Sha256(bytes), _ => { }, Cancel));
        TimeSpan first = watch.Elapsed;
        Assert.Empty(two.Store.Contents.Enumerate());
        Assert.Equal(0, two.Fleet.FetchesUnderWay);

        // The registry serves it meanwhile, and the next client is not held up again.
        watch.Restart();
        Assert.Null(await two.Fleet.FetchAsync(Digest.Sha256(bytes), _ => { }, Cancel));
        TestContext.Current.SendDiagnosticMessage($"{way}: {first.TotalSeconds:F1} s, then {watch.Elapsed.TotalSeconds:F1} s");
        Assert.True(first < TimeSpan.FromSeconds(way == LyingWay.Tenth ? 15 : 6), $"{first} for the first fetch");
        Assert.True(way is LyingWay.Reset || watch.Elapsed < TimeSpan.FromSeconds(1.5), $"{watch.Elapsed} for the second fetch");
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task An_honest_peer_gives_what_two_liars_claim(string name)
    {
        LyingWay way = Enum.Parse<LyingWay>(name);
        await using LyingPeer liar = await LyingPeer.StartAsync(way, TimeProvider.System);
        await using LyingPeer second = await LyingPeer.StartAsync(way, TimeProvider.System);
        await using FleetNode honest = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        byte[] bytes = Xs128.Bytes("beside", 6_000_000);
        await liar.ClaimAsync(bytes);
        await second.ClaimAsync(bytes);
        await two.Host.ConnectAsync(liar.Host.ListenAddresses[0], Cancel);
        await two.Host.ConnectAsync(second.Host.ListenAddresses[0], Cancel);
        await WaitForPeerAsync(two, liar);
        await WaitForPeerAsync(two, second);
        ContentRecord there = await honest.AddAsync(bytes);
        await two.ConnectAsync(honest);
        var watch = Stopwatch.StartNew();
        ContentRecord? here = await two.Fleet.FetchAsync(there.Digest, _ => { }, Cancel);
        TestContext.Current.SendDiagnosticMessage($"{way}: {watch.Elapsed.TotalSeconds:F1} s");
        Assert.Equal((there.Root, there.Size, true, false), (here?.Root, here?.Size, here?.Complete, here?.Owned));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10), $"{watch.Elapsed}");
        Assert.False(two.Bitswap.IsBanned(honest.Host.LocalPeer));
    }

    /// <summary>Each of twenty liars claims another root: they are tried some at a time, and the honest one among them.</summary>
    [Fact]
    public async Task Many_roots_cost_seconds()
    {
        await using FleetNode honest = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        byte[] bytes = Xs128.Bytes("many", 2_000_000);
        var liars = new List<LyingPeer>();
        try
        {
            for (int i = 0; i < 20; i++)
            {
                LyingPeer liar = await LyingPeer.StartAsync(LyingWay.Silent, TimeProvider.System);
                liars.Add(liar);
                await liar.ClaimAsync(bytes, (byte)(i + 1));
                await two.Host.ConnectAsync(liar.Host.ListenAddresses[0], Cancel);
                await WaitForPeerAsync(two, liar);
            }

            ContentRecord there = await honest.AddAsync(bytes);
            await two.ConnectAsync(honest);
            var watch = Stopwatch.StartNew();
            ContentRecord? here = await two.Fleet.FetchAsync(there.Digest, _ => { }, Cancel);
            TestContext.Current.SendDiagnosticMessage($"{watch.Elapsed.TotalSeconds:F1} s");
            Assert.Equal(there.Root, here?.Root);
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(12), $"{watch.Elapsed}");
        }
        finally
        {
            foreach (LyingPeer liar in liars)
            {
                await liar.DisposeAsync();
            }
        }
    }

    [Fact]
    public async Task A_peer_that_claims_several_contents_and_sends_none_is_cut_off()
    {
        await using LyingPeer liar = await LyingPeer.StartAsync(LyingWay.Silent, TimeProvider.System);
        await using FleetNode two = await FleetNode.StartAsync();
        byte[][] contents = [.. Enumerable.Range(0, FailedClaims.MaxContents).Select(i => Xs128.Bytes($"several-{i}", 900_000))];
        foreach (byte[] content in contents)
        {
            await liar.ClaimAsync(content);
        }

        await two.Host.ConnectAsync(liar.Host.ListenAddresses[0], Cancel);
        await WaitForPeerAsync(two, liar);
        ContentRecord?[] fetched = await Task.WhenAll(
            contents.Select(c => two.Fleet.FetchAsync(Digest.Sha256(c), _ => { }, Cancel)));
        Assert.All(fetched, Assert.Null);
        while (!two.Bitswap.IsBanned(liar.Host.LocalPeer))
        {
            await Task.Delay(5, Cancel);
        }
    }

    /// <summary>Such a peer withdraws its claim when it finds the damage, and is asked for the next content as ever.</summary>
    [Fact]
    public async Task An_honest_peer_with_damaged_contents_is_not_cut_off()
    {
        await using FleetNode sick = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        var damaged = new List<ContentRecord>();
        for (int i = 0; i < FailedClaims.MaxContents + 1; i++)
        {
            ContentRecord content = await sick.AddAsync(Xs128.Bytes($"sick-{i}", 900_000));
            Multihash leaf = Dag.Read.DagVerify.Reachable(sick.Store.Blocks, content.Root, Cancel).Last().Hash;
            sick.Store.Blocks.Delete(leaf);
            damaged.Add(content);
        }

        ContentRecord good = await sick.AddAsync(Xs128.Bytes("good", 900_000));
        await two.ConnectAsync(sick);
        Task<ContentRecord?>[] fetches = [.. damaged.Select(d => two.Fleet.FetchAsync(d.Digest, _ => { }, Cancel))];

        // What a real store does at the failing read.
        damaged.ForEach(d => sick.Store.Contents.Put(d with { Complete = false }));
        Assert.All(await Task.WhenAll(fetches), Assert.Null);
        Assert.NotNull(await two.Fleet.FetchAsync(good.Digest, _ => { }, Cancel));
        Assert.False(two.Bitswap.IsBanned(sick.Host.LocalPeer));
    }

    [Fact]
    public async Task A_patient_caller_goes_on_when_the_first_pass_has_ended()
    {
        await using LyingPeer liar = await LyingPeer.StartAsync(LyingWay.Mute, TimeProvider.System);
        await using FleetNode honest = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        byte[] bytes = Xs128.Bytes("patient", 3_000_000);
        await liar.ClaimAsync(bytes);
        await two.Host.ConnectAsync(liar.Host.ListenAddresses[0], Cancel);
        await WaitForPeerAsync(two, liar);
        Task<ContentRecord?> door = two.Fleet.FetchAsync(Digest.Sha256(bytes), _ => { }, Cancel);
        Task patient = two.Fleet.WaitAsync(Digest.Sha256(bytes), Cancel);
        Assert.Null(await door);
        Assert.False(patient.IsCompleted);
        await honest.AddAsync(bytes);
        await two.ConnectAsync(honest);
        await patient;
        Assert.True(Assert.Single(two.Store.Contents.Enumerate()).Complete);
    }

    private static async Task WaitForPeerAsync(FleetNode node, LyingPeer peer)
    {
        while (!node.Host.Peers.Any(p => p.Peer == peer.Host.LocalPeer && p.Protocols.Count > 0))
        {
            await Task.Delay(1, Cancel);
        }
    }
}
