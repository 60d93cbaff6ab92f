using CsCheck;
using Ipcs.Bitswap.Client;
using Ipcs.Bitswap.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Tests.Client;

/// <summary>Which peers the scheduler requests blocks from, checked by <see cref="WantSchedulerModel"/>.</summary>
public sealed class WantSchedulerTests
{
    private const int Block = 256 << 10;

    /// <summary>
    /// After random steps: no block is requested from a peer that cannot have it, urgent wants are sent first, no idle peer is left without
    /// a want that it can serve, and once all peers answer, every block that one of them has arrives.
    /// </summary>
    [Fact]
    public void Only_peers_that_can_serve_are_asked_and_no_want_starves() => Gen.Select(Gen.Int, Gen.UInt.Array[0, 250]).Sample(
        (seed, steps) =>
        {
            var model = new WantSchedulerModel(seed);
            foreach (uint step in steps)
            {
                model.Step((int)(step % 64), new Random((int)(step / 64)));
            }

            model.Finish();
        },
        iter: 1500);

    [Fact]
    public void A_complete_peer_is_asked_in_order_and_for_urgent_blocks_first()
    {
        var model = new WantSchedulerModel(peers: 1, blocks: 100, PeerScope.Named);
        model.SetAvailability(0, 0, PeerAvailability.Complete);
        for (int i = 0; i < 90; i++)
        {
            model.Add(0, [i], urgent: false);
        }

        model.Add(0, [95], urgent: true);
        var order = new List<int>();
        while (model.NextAsked(0) is { } number)
        {
            order.Add(number);
            model.Deliver(0);
        }

        // The first window was requested before the urgent block.
        int window = order.IndexOf(95);
        Assert.InRange(window, 1, 16);
        order.RemoveAt(window);
        Assert.Equal(Enumerable.Range(0, 90), order);
    }

    [Fact]
    public void A_full_window_is_refilled_when_a_quarter_of_it_is_free()
    {
        (WantScheduler scheduler, BitswapSession session, PeerId peer, Cid[] cids) = NewScheduler(window: 16 * Block);
        Want[] wants = scheduler.Add(session, cids, urgent: false, 0);
        Assert.Equal(16, Take(scheduler).Count(e => !e.Cancel));
        for (int i = 0; i < 3; i++)
        {
            scheduler.Received(peer, cids[i].Hash, Block, isLeaf: false, 1000 * (i + 1));
            Assert.Empty(Take(scheduler));
        }

        scheduler.Received(peer, cids[3].Hash, Block, isLeaf: false, 4000);
        List<WantEntry> sent = Take(scheduler);
        Assert.Equal(cids[..4], sent.Where(e => e.Cancel).Select(e => e.Cid));
        Assert.Equal(cids[16..20], sent.Where(e => !e.Cancel).Select(e => e.Cid));
        Assert.All(wants[..4], want => Assert.True(want.Done.Task.IsCompletedSuccessfully));
    }

    [Fact]
    public void An_urgent_block_is_requested_as_soon_as_one_block_is_free()
    {
        (WantScheduler scheduler, BitswapSession session, PeerId peer, Cid[] cids) = NewScheduler(window: 16 * Block);
        scheduler.Add(session, cids[..^1], urgent: false, 0);
        Take(scheduler);
        scheduler.Received(peer, cids[0].Hash, Block, isLeaf: false, 1000);
        scheduler.Add(session, cids[^1..], urgent: true, 2000);
        Assert.Equal([(cids[0], true), (cids[^1], false)], Take(scheduler).Select(e => (e.Cid, e.Cancel)));
    }

    [Fact]
    public void A_received_block_is_cancelled_before_it_is_requested_again_and_at_the_latest_at_a_tick()
    {
        (WantScheduler scheduler, BitswapSession session, PeerId peer, Cid[] cids) = NewScheduler(window: 16 * Block);
        scheduler.Add(session, cids[..1], urgent: false, 0);
        Take(scheduler);
        scheduler.Received(peer, cids[0].Hash, Block, isLeaf: false, 1000);
        scheduler.Add(session, cids[..1], urgent: false, 2000);
        Assert.Equal([true, false], Take(scheduler).Select(e => e.Cancel));
        scheduler.Received(peer, cids[0].Hash, Block, isLeaf: false, 3000);
        Assert.Empty(Take(scheduler));
        scheduler.Tick(100_000);
        Assert.Equal([(cids[0], true)], Take(scheduler).Select(e => (e.Cid, e.Cancel)));
    }

    [Fact]
    public void Cancels_without_a_want_are_not_collected_without_bound()
    {
        (WantScheduler scheduler, BitswapSession session, PeerId peer, Cid[] cids) = NewScheduler(window: 1 << 30, blocks: 300);
        scheduler.Add(session, cids, urgent: false, 0);
        Take(scheduler);
        Array.ForEach(cids, cid => scheduler.Received(peer, cid.Hash, Block, isLeaf: false, 1000));
        Assert.InRange(Take(scheduler).Count, 200, 300);
    }

    [Fact]
    public void A_block_is_requested_from_the_peer_that_sent_have()
    {
        var model = new WantSchedulerModel(peers: 3, blocks: 30, PeerScope.Broadcast);
        model.Add(0, [.. Enumerable.Range(0, 30)], urgent: false);
        for (int i = 0; i < 30; i++)
        {
            model.StoreBlock(i % 3, i);
        }

        for (int i = 0; i < 10; i++)
        {
            for (int peer = 0; peer < 3; peer++)
            {
                Assert.Equal(peer, model.NextAsked(peer) % 3);
                model.Deliver(peer);
            }
        }

        Assert.Equal(0, model.Wanted);
    }

    /// <summary>
    /// A drip: one block at first, then bytes at a quarter of the fair rate. A door does not wait for it; a reader without patience does.
    /// </summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Blocks_of_an_unfair_peer_fail_for_the_impatient_session_only(int drip)
    {
        (WantScheduler scheduler, _, PeerId peer, Cid[] cids) = NewScheduler(window: 16 * Block);
        BitswapSession impatient = NewSession(2_000_000), patient = NewSession(null);
        foreach (BitswapSession session in (BitswapSession[])[impatient, patient])
        {
            scheduler.SetAvailability(session, peer, PeerAvailability.Complete, 0);
            Prefetch(scheduler, session, cids[..4], 0);
        }

        scheduler.Received(peer, cids[0].Hash, Block, isLeaf: false, 10_000);
        for (long now = 100_000; now <= 5_000_000; now += 100_000)
        {
            if (drip > 0 && now % 1_000_000 == 0 && now < 4_000_000)
            {
                scheduler.Received(peer, cids[now / 1_000_000].Hash, 16 << 10, isLeaf: false, now);
            }

            scheduler.Tick(now);
            int failed = Failures(impatient).Count;
            if (failed > 0)
            {
                Assert.InRange(now, 2_000_000, 2_200_000);
                Assert.Empty(Failures(patient));
                return;
            }
        }

        Assert.Fail("the impatient session waited");
    }

    [Fact]
    public void A_peer_that_sends_long_blocks_slowly_is_fair()
    {
        var scheduler = new WantScheduler(Simulation.PeerOf(0), new BitswapOptions(), new Random(1));
        BitswapSession session = NewSession(2_000_000);
        PeerId peer = Simulation.PeerOf(1);
        var received = new ReceivedBytes();
        scheduler.PeerCame(peer, saysHave: true, 0, received);
        scheduler.SetAvailability(session, peer, PeerAvailability.Complete, 0);
        var cid = Cid.V1(Multicodec.Raw, Multihash.Sha256([1]));
        Prefetch(scheduler, session, [cid], 0);

        // 256 KiB at 80 KiB/s take 3.2 s.
        for (long now = 100_000; now < 3_200_000; now += 100_000)
        {
            received.Add(8 << 10);
            scheduler.Tick(now);
            Assert.False(session.Results.TryPeek(out _));
        }

        // Bytes that never become a block count for 8 s.
        for (long now = 3_200_000; now < 12_000_000; now += 100_000)
        {
            received.Add(8 << 10);
            scheduler.Tick(now);
        }

        Assert.Single(Failures(session));
    }

    [Fact]
    public void A_peer_that_refuses_is_named_in_the_failure()
    {
        (WantScheduler scheduler, _, PeerId peer, Cid[] cids) = NewScheduler(window: 16 * Block);
        BitswapSession session = NewSession(2_000_000);
        scheduler.SetAvailability(session, peer, PeerAvailability.Complete, 0);
        Prefetch(scheduler, session, cids[..1], 0);
        scheduler.Presence(peer, new PresenceEntry(cids[0], Have: false), 1000);
        for (long now = 100_000; now <= 2_500_000; now += 100_000)
        {
            scheduler.Tick(now);
        }

        Assert.Equal([peer], Assert.Single(Failures(session)).Peers);
        Assert.Equal(0, scheduler.Count);
    }

    [Fact]
    public void No_peer_is_unfair_while_this_node_is_behind()
    {
        (WantScheduler scheduler, _, PeerId peer, Cid[] cids) = NewScheduler(window: 16 * Block);
        BitswapSession session = NewSession(2_000_000);
        scheduler.SetAvailability(session, peer, PeerAvailability.Complete, 0);
        Prefetch(scheduler, session, cids[..4], 0);
        for (long now = 100_000; now <= 5_000_000; now += 100_000)
        {
            scheduler.Tick(now, isBehind: true);
        }

        Assert.Empty(Failures(session));
    }

    private static BitswapSession NewSession(long? patience) => new(null!, null!, PeerScope.Named) { Patience = patience };

    private static void Prefetch(WantScheduler scheduler, BitswapSession session, Cid[] cids, long now)
    {
        Want[] wants = scheduler.Add(session, cids, urgent: false, now);
        for (int i = 0; i < cids.Length; i++)
        {
            wants[i].Prefetches.Add((session, cids[i]));
            session.Wants.Add(wants[i]);
        }
    }

    private static List<BlockUnavailableException> Failures(BitswapSession session)
    {
        var failures = new List<BlockUnavailableException>();
        while (session.Results.TryRead(out PrefetchResult result))
        {
            if (result.Failure is { } failure)
            {
                failures.Add(failure);
            }
        }

        return failures;
    }

    /// <summary>A scheduler with one complete peer, and blocks of the length that it expects.</summary>
    private static (WantScheduler Scheduler, BitswapSession Session, PeerId Peer, Cid[] Cids) NewScheduler(int window, int blocks = 40)
    {
        var scheduler = new WantScheduler(Simulation.PeerOf(0), new BitswapOptions { FirstWindow = window }, new Random(1));
        var session = new BitswapSession(null!, null!, PeerScope.Named);
        PeerId peer = Simulation.PeerOf(1);
        scheduler.PeerCame(peer, saysHave: true, 0);
        scheduler.SetAvailability(session, peer, PeerAvailability.Complete, 0);
        return (scheduler, session, peer, [.. Enumerable.Range(0, blocks)
            .Select(i => Cid.V1(Multicodec.Raw, Multihash.Sha256(BitConverter.GetBytes(i))))]);
    }

    private static List<WantEntry> Take(WantScheduler scheduler)
    {
        List<WantEntry> sent = [.. scheduler.Outbox.Select(o => o.Entry)];
        scheduler.Outbox.Clear();
        return sent;
    }
}
