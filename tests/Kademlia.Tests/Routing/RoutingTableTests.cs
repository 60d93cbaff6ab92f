using CsCheck;
using Ipcs.Kademlia.Routing;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Tests.Routing;

public sealed class RoutingTableTests
{
    private const int K = 20;

    [Fact]
    public void The_closest_are_the_closest() => Gen.Select(Gen.Int[1, 5000].List[1, 60], Gen.Int).Sample((peers, target) =>
    {
        RoutingTable table = Table(peers);
        var key = KadKey.Of(Peers.Key(target));
        IEnumerable<PeerId> expected = table.Entries.OrderBy(e => e.Key.DistanceTo(key)).Take(K).Select(e => e.Peer);
        Assert.Equal(expected, table.Closest(key, K).Select(e => e.Peer));
    });

    [Fact]
    public void No_bucket_holds_more_than_k_and_the_count_is_right() => Gen.Select(Gen.Int[1, 500], Gen.Bool).List[1, 400].Sample(events =>
    {
        RoutingTable table = Table([]);
        foreach ((int peer, bool seen) in events)
        {
            if (seen)
            {
                table.Seen(Peers.Start, Peers.Id(peer), [Peers.Address(peer)]);
            }
            else
            {
                table.Failed(Peers.Id(peer));
            }
        }

        Assert.Equal(table.Entries.Count(), table.Count);
        Assert.All(table.Entries.GroupBy(e => e.Key.CommonPrefix(table.LocalKey)), bucket => Assert.InRange(bucket.Count(), 1, K));
        Assert.Equal(table.Count, table.Entries.Select(e => e.Peer).Distinct().Count());
    });

    [Fact]
    public void The_local_peer_is_not_in_the_table()
    {
        RoutingTable table = Table([0, 1]);
        Assert.Equal([Peers.Id(1)], table.Entries.Select(e => e.Peer));
    }

    [Fact]
    public void New_peers_do_not_displace_entries_that_answer()
    {
        int[] far = [.. InBucket(0, 3 * K)];
        RoutingTable table = Table(far);
        Assert.Equal(far[..K].Select(Peers.Id).ToHashSet(), table.Entries.Select(e => e.Peer).ToHashSet());
    }

    [Fact]
    public void A_peer_that_fails_is_replaced_by_the_replacement_seen_last()
    {
        int[] far = [.. InBucket(0, K + 2)];
        RoutingTable table = Table(far);
        table.Failed(Peers.Id(far[0]));
        Assert.Null(table.Find(Peers.Id(far[0])));
        Assert.NotNull(table.Find(Peers.Id(far[K + 1])));
        Assert.Equal(K, table.Count);
    }

    [Fact]
    public void Without_replacements_a_peer_is_removed_after_a_few_failures()
    {
        RoutingTable table = Table([1]);
        table.Failed(Peers.Id(1));
        table.Failed(Peers.Id(1));
        table.Seen(Peers.Start, Peers.Id(1), []);
        Assert.Equal([Peers.Address(1)], table.Find(Peers.Id(1))!.Addresses);
        for (int i = 0; i < RoutingTable.MaxFailures; i++)
        {
            Assert.NotNull(table.Find(Peers.Id(1)));
            table.Failed(Peers.Id(1));
        }

        Assert.Equal(0, table.Count);
    }

    [Fact]
    public void Buckets_without_a_recent_lookup_are_refreshed()
    {
        RoutingTable table = Table([.. Enumerable.Range(1, 200)]);
        int[] all = [.. table.PrefixesToRefresh(Peers.Start, 15)];
        Assert.Equal(Enumerable.Range(0, all.Length), all);
        Assert.InRange(all.Length, 5, 16);
        table.Refreshed(Peers.Start, Peers.Id(InBucket(0, 1).First()) is var far ? KadKey.Of(far) : default);
        Assert.Equal(all[1..], table.PrefixesToRefresh(Peers.Start, 15));
        Assert.Empty(Table([]).PrefixesToRefresh(Peers.Start, 15));
    }

    [Fact]
    public void Silent_peers_are_returned_the_longest_silent_first()
    {
        RoutingTable table = Table([]);
        for (int i = 1; i <= 5; i++)
        {
            table.Seen(Peers.Start.AddMinutes(i), Peers.Id(i), []);
        }

        Assert.Equal([Peers.Id(1), Peers.Id(2)], table.NotSeenSince(Peers.Start.AddMinutes(4), 2).Select(e => e.Peer));
    }

    private static RoutingTable Table(IEnumerable<int> peers)
    {
        var table = new RoutingTable(Peers.Id(0), K);
        foreach (int peer in peers)
        {
            table.Seen(Peers.Start, Peers.Id(peer), [Peers.Address(peer)]);
        }

        return table;
    }

    private static IEnumerable<int> InBucket(int prefix, int count) =>
        Enumerable.Range(1, 100_000).Where(n => KadKey.Of(Peers.Id(n)).CommonPrefix(KadKey.Of(Peers.Id(0))) == prefix).Take(count);
}
