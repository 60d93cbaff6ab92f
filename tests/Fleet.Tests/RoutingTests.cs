using System.Buffers;
using System.Runtime.CompilerServices;
using Ipcs.Blockstore;
using Ipcs.Kademlia;
using Ipcs.Multiformats;
using Ipcs.TestKit;
using Microsoft.Extensions.Time.Testing;

namespace Ipcs.Fleet.Tests;

/// <summary>Contents that no connected peer has, and a provider from the DHT.</summary>
public sealed class RoutingTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_search_finds_a_content_of_an_unconnected_provider()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync(routing: new Names(one));
        ContentRecord there = await one.AddAsync(Xs128.Bytes("search", 400_000));
        Assert.Equal(there.Root, (await two.Fleet.SearchAsync(there.Digest, Cancel))?.Root);
        await two.TakeAsync(there.Digest);
        await two.Fleet.WaitAsync(there.Digest, Cancel);
    }

    [Fact]
    public async Task A_content_of_an_unconnected_provider_is_fetched()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync(routing: new Names(one));
        ContentRecord there = await one.AddAsync(Xs128.Bytes("ahead", 400_000));
        Assert.Equal(there.Root, (await two.Fleet.FetchAsync(there.Digest, _ => { }, Cancel))?.Root);
    }

    [Fact]
    public async Task A_search_is_waited_for_no_longer_than_the_time_to_find_a_content()
    {
        var time = new FakeTimeProvider();
        TimeSpan findTime = TimeSpan.FromSeconds(1);
        var names = new Names(null);
        await using FleetNode two = await FleetNode.StartAsync(findTime, routing: names, time: time);
        Task<ContentRecord?> fetch = two.Fleet.FetchAsync(Digest.Sha256([1]), _ => { }, Cancel);
        while (names.Asked == 0)
        {
            await Task.Delay(1, Cancel);
        }

        time.Advance(findTime * 0.9);
        Assert.False(fetch.IsCompleted);
        time.Advance(findTime * 0.1);
        Assert.Null(await fetch);
    }

    [Fact]
    public async Task A_missing_block_is_found_and_so_are_blocks_below_a_stored_root()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync(routing: new Names(one));
        ContentRecord there = await one.AddAsync(Xs128.Bytes("blocks", 400_000));
        await using (BitswapSource source = two.Fleet.AnySource())
        {
            using IMemoryOwner<byte> root = await source.GetAsync(there.Root, Cancel);
        }

        await two.Host.DisconnectAsync(one.Host.LocalPeer);
        await using FleetNode three = await FleetNode.StartAsync(routing: new Names(one, there.Root.Hash));
        using (IMemoryOwner<byte> root = one.Store.Blocks.Get(there.Root.Hash)!)
        {
            three.Store.Blocks.Put(there.Root.Hash, root.Memory.Span);
        }

        await using BitswapSource below = three.Fleet.AnySource();
        below.Root = there.Root;
        await using Dag.Read.DagReader reader = await Dag.Read.DagReader.OpenAsync(there.Root, below, Cancel);
        byte[] bytes = new byte[400_000];
        Assert.Equal(bytes.Length, await reader.ReadAsync(0, bytes, Cancel));
        Assert.Equal(Xs128.Bytes("blocks", 400_000), bytes);
    }

    [Fact]
    public async Task A_disconnected_provider_is_forgotten()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        var names = new Names(one);
        await using FleetNode two = await FleetNode.StartAsync(routing: names);
        ContentRecord there = await one.AddAsync(Xs128.Bytes("gone", 400_000));
        for (int i = 0; i < 3; i++)
        {
            Assert.Single(await two.Fleet.LocateAsync(there.Digest, Cancel));
        }

        Assert.Equal(1, names.Asked);
        await two.Host.DisconnectAsync(one.Host.LocalPeer);
        Assert.Single(await two.Fleet.LocateAsync(there.Digest, Cancel));
        Assert.Equal(2, names.Asked);
    }

    [Fact]
    public async Task A_provider_that_cannot_be_dialled_is_forgotten()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        ContentRecord there = await one.AddAsync(Xs128.Bytes("elsewhere", 400_000));
        var names = new Names(one) { Addresses = [Multiaddr.Parse("/ip4/127.0.0.1/tcp/1")] };
        await using FleetNode two = await FleetNode.StartAsync(routing: names);
        Assert.Empty(await two.Fleet.LocateAsync(there.Digest, Cancel));
        names.Addresses = one.Host.ListenAddresses;
        Assert.Single(await two.Fleet.LocateAsync(there.Digest, Cancel));
    }

    [Fact]
    public async Task A_search_without_a_result_is_remembered()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        var names = new Names(one, Digest.Sha256([1]).Hash);
        await using FleetNode two = await FleetNode.StartAsync(routing: names);
        for (int i = 0; i < 3; i++)
        {
            Assert.Empty(await two.Fleet.LocateAsync(Digest.Sha256([2]), Cancel));
        }

        Assert.Equal(1, names.Asked);
    }

    /// <summary>A DHT with one provider, of all contents or of one; a search without a result takes a while.</summary>
    private sealed class Names(FleetNode? provider, Multihash? only = null) : IContentRouting
    {
        private int _asked;

        public IReadOnlyList<Multiaddr>? Addresses { get; set; }

        public int Asked => _asked;

        public async IAsyncEnumerable<AddrInfo> FindProvidersAsync(
            Multihash content, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _asked);
            if (provider is null)
            {
                await Task.Delay(TimeSpan.FromMinutes(1), cancellationToken);
            }
            else if (only is null || content == only)
            {
                yield return new AddrInfo(provider.Host.LocalPeer, Addresses ?? provider.Host.ListenAddresses);
            }
        }
    }
}
