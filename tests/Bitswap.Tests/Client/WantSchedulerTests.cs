using CsCheck;
using Ipcs.Bitswap.Client;

namespace Ipcs.Bitswap.Tests.Client;

/// <summary>Whom the want book asks, held against <see cref="WantSchedulerModel"/>.</summary>
public sealed class WantSchedulerTests
{
    /// <summary>
    /// Whatever happens, and in whatever order: nobody is asked for what he can't have, what is urgent goes first, no peer that owes nothing is left without
    /// what it can serve, and once all answer, all comes that anybody who is asked has.
    /// </summary>
    [Fact]
    public void Who_is_asked_can_serve_and_nothing_starves() => Gen.Select(Gen.Int, Gen.UInt.Array[0, 250]).Sample(
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
    public void Who_has_the_whole_is_asked_in_order_and_for_what_is_urgent_before()
    {
        var model = new WantSchedulerModel(peers: 1, blocks: 100, PeerScope.Named);
        model.Tell(0, 0, PeerAvailability.Complete);
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

        // The first window, of the usual length, was asked for before.
        int window = order.IndexOf(95);
        Assert.InRange(window, 1, 16);
        order.RemoveAt(window);
        Assert.Equal(Enumerable.Range(0, 90), order);
    }

    [Fact]
    public void What_a_peer_has_said_to_have_is_asked_of_it()
    {
        var model = new WantSchedulerModel(peers: 3, blocks: 30, PeerScope.Broadcast);
        model.Add(0, [.. Enumerable.Range(0, 30)], urgent: false);
        for (int i = 0; i < 30; i++)
        {
            model.Gets(i % 3, i);
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
