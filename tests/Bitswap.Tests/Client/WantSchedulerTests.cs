using CsCheck;
using Ipcs.Bitswap.Client;

namespace Ipcs.Bitswap.Tests.Client;

/// <summary>Which peers the scheduler requests blocks from, checked by <see cref="WantSchedulerModel"/>.</summary>
public sealed class WantSchedulerTests
{
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
}
