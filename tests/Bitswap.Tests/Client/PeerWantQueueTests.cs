using Ipcs.Bitswap.Client;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Tests.Client;

/// <summary>The wants that may be requested from one peer, in order of rank.</summary>
public sealed class PeerWantQueueTests
{
    private const int Many = 1000;

    [Fact]
    public void The_best_rank_comes_first()
    {
        PeerWantQueue candidates = New();
        Want[] wants = Wants(4);
        candidates.Add(wants[0], 1, 0, Many);
        candidates.Add(wants[1], 0, 2, Many);
        candidates.Add(wants[2], 0, 1, Many);
        candidates.Add(wants[3], -2, 9, Many);
        Assert.Equal([wants[3], wants[2], wants[1], wants[0]], Take(candidates));
    }

    [Fact]
    public void A_want_with_a_worse_rank_moves_back()
    {
        PeerWantQueue candidates = New();
        Want[] wants = Wants(2);
        candidates.Add(wants[0], 0, 0, Many);
        candidates.Add(wants[1], 1, 0, Many);
        candidates.Demote(2, 0);
        Assert.True(candidates.TryPeek(out Want? best, out int rank));
        Assert.Equal((wants[1], 1), (best, rank));
        Assert.Equal([wants[1], wants[0]], Take(candidates));
    }

    [Fact]
    public void A_parked_want_returns_to_its_place()
    {
        PeerWantQueue candidates = New();
        Want[] wants = Wants(2);
        candidates.Add(wants[0], 0, 0, Many);
        candidates.Add(wants[1], 1, 0, Many);
        candidates.Park();
        Assert.True(candidates.TryPeek(out Want? best, out _));
        Assert.Equal(wants[1], best);
        candidates.Unpark();
        Assert.Equal([wants[0], wants[1]], Take(candidates));
    }

    [Fact]
    public void A_mostly_stale_queue_is_emptied_and_takes_nothing_until_it_begins_again()
    {
        PeerWantQueue candidates = New();
        Want[] wants = Wants(200);
        foreach (Want want in wants)
        {
            candidates.Add(want, 0, 0, wants: 10);
            if (candidates.IsOutdated)
            {
                break;
            }
        }

        Assert.True(candidates.IsOutdated);
        Assert.False(candidates.TryPeek(out _, out _));
        candidates.Begin(shuffled: false);
        candidates.Add(wants[0], 0, 0, wants: 10);
        Assert.Equal([wants[0]], Take(candidates));
    }

    private static PeerWantQueue New()
    {
        var candidates = new PeerWantQueue();
        Assert.True(candidates.IsOutdated);
        candidates.Begin(shuffled: false);
        return candidates;
    }

    private static Want[] Wants(int count) =>
        [.. Enumerable.Range(0, count).Select(i => new Want(Cid.V1(Multicodec.Raw, Multihash.Sha256(BitConverter.GetBytes(i))), now: 0))];

    private static List<Want> Take(PeerWantQueue candidates)
    {
        var taken = new List<Want>();
        while (candidates.TryPeek(out Want? want, out _))
        {
            taken.Add(want);
            candidates.Drop();
        }

        return taken;
    }
}
