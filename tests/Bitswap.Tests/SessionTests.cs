using System.Buffers;
using Ipcs.Bitswap.Client;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using Ipcs.TestKit;
using Microsoft.Extensions.Time.Testing;

namespace Ipcs.Bitswap.Tests;

/// <summary>Sessions over real hosts on loopback.</summary>
public sealed class SessionTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("mplex")]
    [InlineData("yamux")]
    public async Task Many_blocks_from_one_peer(string muxer)
    {
        await using Node seeder = await Node.StartAsync(muxer);
        await using Node leecher = await Node.StartAsync(muxer);
        await leecher.ConnectAsync(seeder);
        Cid[] cids = seeder.Add("many", count: 200, length: 262_144);
        await leecher.FetchAsync(cids, [seeder.Host.LocalPeer]);

        // A block may be read as soon as it is stored, a moment before it is counted.
        Assert.True(SpinWait.SpinUntil(() => leecher.Bitswap.Statistics.BlocksReceived >= 200, TimeSpan.FromSeconds(10)));
        Assert.Equal(200, leecher.Bitswap.Statistics.BlocksReceived);
        Assert.Equal(0, leecher.Bitswap.Statistics.DuplicateBlocks);
        Assert.Equal(200, seeder.Bitswap.Statistics.BlocksSent);
    }

    [Fact]
    public async Task Three_peers_share_the_work()
    {
        await using Node leecher = await Node.StartAsync("yamux");
        var seeders = new List<Node>();
        try
        {
            Cid[] cids = [];
            for (int i = 0; i < 3; i++)
            {
                Node seeder = await Node.StartAsync("yamux");
                seeders.Add(seeder);
                cids = seeder.Add("three", count: 300, length: 100_000);
                await leecher.ConnectAsync(seeder);
            }

            await leecher.FetchAsync(cids, []);
            // The shares depend on the peers' speeds, which are random in one process: only that each sends some is checked.
            Assert.All(seeders, s => Assert.InRange(s.Bitswap.Statistics.BlocksSent, 10, 300));
            Assert.InRange(leecher.Bitswap.Statistics.DuplicateBlocks, 0, 3);
        }
        finally
        {
            foreach (Node seeder in seeders)
            {
                await seeder.DisposeAsync();
            }
        }
    }

    [Fact]
    public async Task Each_peer_has_a_part_and_sends_dont_have_for_the_rest()
    {
        await using Node leecher = await Node.StartAsync("yamux");
        await using Node a = await Node.StartAsync("yamux");
        await using Node b = await Node.StartAsync("mplex,yamux");
        Cid[] cids = [.. a.Add("part-a", 50, 5000), .. b.Add("part-b", 50, 5000)];
        await leecher.ConnectAsync(a);
        await leecher.ConnectAsync(b);
        await leecher.FetchAsync(cids, []);
        Assert.Equal(100, leecher.Bitswap.Statistics.BlocksReceived);
    }

    [Fact]
    public async Task After_a_wrong_assumption_all_peers_are_asked_for_all_blocks()
    {
        await using Node leecher = await Node.StartAsync("yamux");
        await using Node a = await Node.StartAsync("yamux");
        await using Node b = await Node.StartAsync("yamux");
        await using Node c = await Node.StartAsync("yamux");
        Node[] seeders = [a, b, c];
        Cid[] cids = [.. seeders.SelectMany((s, i) => s.Add($"third-{i}", 200, 5000))];
        foreach (Node seeder in seeders)
        {
            await leecher.ConnectAsync(seeder);
        }

        await using BitswapSession session = leecher.Bitswap.CreateSession([]);
        session.Prefetch(cids);
        var come = new HashSet<Cid>();
        while (come.Count < cids.Length)
        {
            PrefetchResult block = await session.Results.ReadAsync(Cancel);
            Assert.Null(block.Failure);
            Assert.True(come.Add(block.Cid));
        }

        Assert.Equal(600, leecher.Bitswap.Statistics.BlocksReceived);
        Assert.Equal(0, leecher.Bitswap.Statistics.DuplicateBlocks);
        Assert.Equal(PeerScope.Broadcast, session.PeerScope);
        Assert.Empty(session.Peers);
        Assert.All(seeders, s => Assert.Equal(200, s.Bitswap.Statistics.BlocksSent));
    }

    [Fact]
    public async Task A_want_without_a_provider_fails_unless_a_peer_connects_in_time()
    {
        await using Node leecher = await Node.StartAsync("yamux", new BitswapOptions { NoPeerTime = TimeSpan.FromMilliseconds(500) });
        await using Node a = await Node.StartAsync("yamux");
        await using Node b = await Node.StartAsync("yamux");
        await leecher.ConnectAsync(a);
        await using BitswapSession session = leecher.Bitswap.CreateSession();
        session.Broadcast();
        Cid cid = b.Add("late", 1, 5000)[0];
        BlockUnavailableException e = await Assert.ThrowsAsync<BlockUnavailableException>(
            async () => await session.GetAsync(cid, urgent: false, Cancel));
        Assert.Contains($"{cid}: none of the 1 peers asked", e.Message, StringComparison.Ordinal);
        Task<IMemoryOwner<byte>> again = session.GetAsync(cid, urgent: false, Cancel).AsTask();
        await leecher.ConnectAsync(b);
        (await again).Dispose();
    }

    [Fact]
    public async Task A_peer_that_disconnects_during_a_fetch_is_replaced()
    {
        await using Node leecher = await Node.StartAsync("yamux");
        Node dying = await Node.StartAsync("yamux");
        await using Node living = await Node.StartAsync("yamux");
        Cid[] cids = dying.Add("die", 400, 262_144);
        living.Add("die", 400, 262_144);
        await leecher.ConnectAsync(dying);
        await leecher.ConnectAsync(living);
        Task fetch = leecher.FetchAsync(cids, []);
        while (leecher.Bitswap.Statistics.BlocksReceived < 20)
        {
            await Task.Yield();
        }

        await dying.DisposeAsync();
        await fetch;
        Assert.All(cids, c => Assert.True(leecher.Store.Blocks.Has(c.Hash)));
    }

    [Fact]
    public async Task A_block_that_no_peer_has_fails_in_time_and_the_error_names_it()
    {
        await using Node a = await Node.StartAsync("yamux", new BitswapOptions { NoPeerTime = TimeSpan.FromMilliseconds(300) });
        await using Node b = await Node.StartAsync("yamux");
        await a.ConnectAsync(b);
        await using BitswapSession session = a.Bitswap.CreateSession([]);
        Cid cid = Cid.V1(Multicodec.Raw, Multihash.Sha256("nobody"u8));
        BlockUnavailableException e = await Assert.ThrowsAsync<BlockUnavailableException>(
            async () => await session.GetAsync(cid, urgent: false, Cancel));
        Assert.Contains(cid.ToString(), e.Message, StringComparison.Ordinal);
        Assert.Contains(b.Host.LocalPeer.ToString(), e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_block_that_arrives_later_is_sent_to_the_peer_that_waits()
    {
        await using Node a = await Node.StartAsync("yamux", bitswap: false);
        await using Node b = await Node.StartAsync("yamux");
        await a.ConnectAsync(b);
        byte[] block = Xs128.Bytes("late", 1000);
        Cid cid = Cid.V1(Multicodec.Raw, Multihash.Sha256(block));
        await using PeerStream stream = await a.Host.OpenStreamAsync(b.Host.LocalPeer, ["/ipfs/bitswap/1.2.0"], Cancel);
        var got = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        a.Host.Handle("/ipfs/bitswap/1.2.0", async (s, c) =>
        {
            using IMemoryOwner<byte>? m = await s.ReadMessageAsync(1 << 20, c);
            Assert.True(Wire.BitswapMessage.TryDecode(m!.Memory, out Wire.BitswapMessage? message));
            if (message!.Blocks.Count > 0)
            {
                got.TrySetResult(message.Blocks[0].Data.ToArray());
            }
        });
        var want = new Wire.BitswapMessage();
        want.Wants.Add(new Wire.WantEntry(cid, 1, Cancel: false, WantHave: false, SendDontHave: false));
        await stream.WriteMessageAsync(want.Encode(), Cancel);

        // The want was handled once a later want on the same stream has been answered; the block may arrive before or after that.
        b.Store.Blocks.Put(cid.Hash, block);
        while (!got.Task.IsCompleted)
        {
            b.Bitswap.BlockArrived(cid.Hash);
            await Task.Yield();
        }

        Assert.Equal(block, await got.Task);
    }

    [Theory]
    [InlineData("/ipfs/bitswap/1.1.0")]
    [InlineData("/ipfs/bitswap/1.0.0")]
    public async Task Older_protocol_versions_get_their_own_format(string version)
    {
        await using Node a = await Node.StartAsync("yamux", bitswap: false);
        await using Node b = await Node.StartAsync("yamux");
        var got = new TaskCompletionSource<(string Protocol, byte[] Block, byte[] Message)>(
            TaskCreationOptions.RunContinuationsAsynchronously);
        a.Host.Handle(version, async (s, c) =>
        {
            using IMemoryOwner<byte>? m = await s.ReadMessageAsync(1 << 20, c);
            Assert.True(Wire.BitswapMessage.TryDecode(m!.Memory, out Wire.BitswapMessage? message));
            got.TrySetResult((s.Protocol, message!.Blocks[0].Data.ToArray(), m.Memory.ToArray()));
        });
        await a.ConnectAsync(b);
        Cid cid = b.Add("old", 1, 5000)[0];
        await using PeerStream stream = await a.Host.OpenStreamAsync(b.Host.LocalPeer, [version], Cancel);
        var want = new Wire.BitswapMessage();
        want.Wants.Add(new Wire.WantEntry(Cid.V0(cid.Hash), 1, Cancel: false, WantHave: false, SendDontHave: false));
        await stream.WriteMessageAsync(want.Encode(), Cancel);
        (string protocol, byte[] block, byte[] raw) = await got.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        Assert.Equal(version, protocol);
        Assert.Equal(cid.Hash, Multihash.Sha256(block));

        // Field 2 of the message, blocks without a prefix, or field 3, blocks with one.
        Assert.Equal(version.EndsWith("1.0.0", StringComparison.Ordinal) ? 0x12 : 0x1a, raw[0]);
    }

    [Fact]
    public async Task A_service_keeps_ledgers_and_wantlists()
    {
        await using Node a = await Node.StartAsync("yamux");
        await using Node b = await Node.StartAsync("yamux");
        await a.ConnectAsync(b);
        Cid[] cids = b.Add("ledger", 3, 10_000);
        await a.FetchAsync(cids, [b.Host.LocalPeer]);
        Assert.Equal(30_000, b.Bitswap.LedgerOf(a.Host.LocalPeer)!.Sent);
        Assert.Equal(30_000, a.Bitswap.LedgerOf(b.Host.LocalPeer)!.Received);
        Assert.Empty(a.Bitswap.Wantlist());
        Cid nobodys = Cid.V1(Multicodec.Raw, Multihash.Sha256("nobody's"u8));
        BitswapSession session = a.Bitswap.CreateSession([b.Host.LocalPeer]);
        session.Prefetch([nobodys]);
        Assert.Equal([nobodys], a.Bitswap.Wantlist());
        while (!b.Bitswap.WantlistOf(a.Host.LocalPeer).Contains(nobodys))
        {
            await Task.Delay(1, Cancel);
        }

        await session.DisposeAsync();
        Assert.Empty(a.Bitswap.Wantlist());
        while (b.Bitswap.WantlistOf(a.Host.LocalPeer).Count > 0)
        {
            await Task.Delay(1, Cancel);
        }
    }

    [Fact]
    public async Task Uploads_keep_to_their_rate()
    {
        var time = new FakeTimeProvider();
        await using Node seeder = await Node.StartAsync("yamux", new BitswapOptions { UploadRate = 4_000_000 }, time: time);
        await using Node leecher = await Node.StartAsync("yamux");
        Cid[] cids = seeder.Add("rate", 40, 100_000);
        await leecher.ConnectAsync(seeder);

        // A second's worth, of which the first message is sent at once.
        Assert.InRange(await FetchAsync(time, leecher, seeder, cids), 0.6, double.MaxValue);
    }

    [Fact]
    public async Task Too_many_prefetched_blocks_are_refused()
    {
        await using Node node = await Node.StartAsync("yamux");
        Cid[] cids = node.Add("bound", 10, 100);
        await using BitswapSession session = node.Bitswap.CreateSession();
        for (int i = 0; i < BitswapSession.MaxPrefetch / cids.Length; i++)
        {
            session.Prefetch(cids);
        }

        Assert.Throws<InvalidOperationException>(() => session.Prefetch(cids));
        for (int i = 0; i < cids.Length; i++)
        {
            Assert.True(session.Results.TryRead(out _));
        }

        session.Prefetch(cids);
    }

    [Fact]
    public async Task Downloads_keep_to_their_rate()
    {
        var time = new FakeTimeProvider();
        await using Node seeder = await Node.StartAsync("mplex");
        await using Node leecher = await Node.StartAsync("mplex", new BitswapOptions { DownloadRate = 4_000_000 }, time: time);
        Cid[] cids = seeder.Add("down", 40, 100_000);
        await leecher.ConnectAsync(seeder);

        // A second's worth, of which a quarter is requested at once.
        Assert.InRange(await FetchAsync(time, leecher, seeder, cids), 0.6, double.MaxValue);
    }

    /// <summary>Fetches blocks while a clock is advanced. Returns the seconds on that clock.</summary>
    private static async Task<double> FetchAsync(FakeTimeProvider time, Node leecher, Node seeder, Cid[] cids)
    {
        long start = time.GetTimestamp();
        Task fetch = leecher.FetchAsync(cids, [seeder.Host.LocalPeer]);
        while (!fetch.IsCompleted)
        {
            time.Advance(TimeSpan.FromMilliseconds(10));
            await Task.Delay(1, Cancel);
        }

        await fetch;
        return time.GetElapsedTime(start).TotalSeconds;
    }

    [Fact]
    public async Task Wants_are_not_delayed_by_uploads()
    {
        await using Node slow = await Node.StartAsync("yamux", new BitswapOptions { UploadRate = 200_000 });
        await using Node other = await Node.StartAsync("yamux");
        Cid[] theirs = slow.Add("slow", 40, 100_000);
        Cid[] ours = other.Add("quick", 40, 100_000);
        await slow.ConnectAsync(other);
        using var stop = new CancellationTokenSource();
        await using BitswapSession session = other.Bitswap.CreateSession([slow.Host.LocalPeer]);
        Task upload = Task.WhenAll(theirs.Select(cid => session.GetAsync(cid, urgent: false, stop.Token).AsTask()));
        while (slow.Bitswap.Statistics.BytesSent == 0)
        {
            await Task.Delay(1, Cancel);
        }

        await slow.FetchAsync(ours, [other.Host.LocalPeer]);

        // The uploads would have taken twenty seconds.
        Assert.False(upload.IsCompleted);
        Assert.True(slow.Bitswap.Statistics.BytesSent < 3_000_000);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => upload);
    }

    [Fact]
    public async Task A_false_block_gets_its_sender_banned()
    {
        await using Node a = await Node.StartAsync("yamux");
        await using Node b = await Node.StartAsync("yamux");
        await a.ConnectAsync(b);
        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        a.Host.PeerDisconnected += _ => gone.TrySetResult();
        var message = new Wire.BitswapMessage();
        message.Blocks.Add(new Wire.BlockEntry(1, Multicodec.Raw, Multihash.Sha2_256, Xs128.Bytes("false", 100)));
        await using PeerStream stream = await b.Host.OpenStreamAsync(a.Host.LocalPeer, ["/ipfs/bitswap/1.2.0"], Cancel);
        await stream.WriteMessageAsync(message.Encode(), Cancel);
        await gone.Task.WaitAsync(TimeSpan.FromSeconds(10), Cancel);
        Assert.False(a.Store.Blocks.Has(Multihash.Sha256(Xs128.Bytes("false", 100))));
    }
}
