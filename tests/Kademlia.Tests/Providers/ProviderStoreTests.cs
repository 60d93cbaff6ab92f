using CsCheck;
using Ipcs.Kademlia.Providers;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Tests.Providers;

public sealed class ProviderStoreTests
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(48);

    [Fact]
    public void A_record_expires_unless_it_is_renewed()
    {
        ProviderStore store = Store();
        store.Add(Peers.Start, Peers.Key(1), Peers.Id(1), [Peers.Address(1)]);
        store.Add(Peers.Start.AddHours(40), Peers.Key(1), Peers.Id(1), [Peers.Address(2)]);
        Assert.Equal([Peers.Address(2)], Assert.Single(store.Get(Peers.Start.AddHours(87), Peers.Key(1))).Addresses);
        Assert.Empty(store.Get(Peers.Start.AddHours(88), Peers.Key(1)));
        Assert.Equal(0, store.Sweep(Peers.Start.AddHours(87)));
        Assert.Equal(1, store.Sweep(Peers.Start.AddHours(88)));
        Assert.Equal((0, 0), (store.Count, store.Keys));
    }

    [Fact]
    public void A_full_key_drops_the_record_that_expires_first()
    {
        ProviderStore store = Store();
        for (int i = 0; i <= ProviderStore.MaxPerKey; i++)
        {
            Assert.True(store.Add(Peers.Start.AddSeconds(i), Peers.Key(1), Peers.Id(i), []));
        }

        Assert.Equal(ProviderStore.MaxPerKey, store.Count);
        for (int i = 0; i < 100; i++)
        {
            Assert.DoesNotContain(Peers.Id(0), store.Get(Peers.Start, Peers.Key(1)).Select(p => p.Peer));
        }
    }

    [Fact]
    public void Of_many_providers_a_random_choice_is_returned()
    {
        ProviderStore store = Store();
        for (int i = 0; i < ProviderStore.MaxPerKey; i++)
        {
            store.Add(Peers.Start, Peers.Key(1), Peers.Id(i), []);
        }

        var seen = new HashSet<string>();
        for (int i = 0; i < 50; i++)
        {
            IReadOnlyList<ProviderRecord> some = store.Get(Peers.Start, Peers.Key(1));
            Assert.Equal(ProviderStore.MaxAnswer, some.Select(p => p.Peer).Distinct().Count());
            seen.UnionWith(some.Select(p => p.Peer.ToString()));
        }

        Assert.InRange(seen.Count, ProviderStore.MaxPerKey - 5, ProviderStore.MaxPerKey);
    }

    [Fact]
    public void Records_of_one_peer_are_bounded()
    {
        ProviderStore store = Store();
        PeerId peer = Peers.Id(1);
        for (int i = 0; i < ProviderStore.MaxPerPeer; i++)
        {
            Assert.True(store.Add(Peers.Start, Peers.Key(i), peer, []));
        }

        Assert.False(store.Add(Peers.Start, Peers.Key(-1), Peers.Id(1), []));
        Assert.True(store.Add(Peers.Start, Peers.Key(5), Peers.Id(1), []));
        Assert.True(store.Add(Peers.Start, Peers.Key(-1), Peers.Id(2), []));
    }

    [Fact]
    public void A_full_store_drops_a_record_of_the_peer_with_the_most()
    {
        ProviderStore store = Store();
        PeerId[] peers = [.. Enumerable.Range(0, ProviderStore.MaxRecords / ProviderStore.MaxPerPeer).Select(Peers.Id)];
        for (int i = 0; i < ProviderStore.MaxRecords; i++)
        {
            store.Add(Peers.Start, Peers.Key(i), peers[i % peers.Length], []);
        }

        Assert.Equal(ProviderStore.MaxRecords, store.Count);
        Assert.True(store.Add(Peers.Start, Peers.Key(-1), Peers.Id(1000), [Peers.Address(1)]));
        Assert.Equal(ProviderStore.MaxRecords, store.Count);
        Assert.Single(store.Get(Peers.Start, Peers.Key(-1)));
    }

    [Fact]
    public void Counts_stay_right() => Gen.Select(Gen.Int[0, 5], Gen.Int[0, 5], Gen.Int[0, 100]).List[0, 200].Sample(events =>
    {
        ProviderStore store = Store();
        var model = new Dictionary<(int, int), int>();
        int now = 0;
        foreach ((int key, int peer, int hours) in events)
        {
            now += hours / 20;
            store.Add(Peers.Start.AddHours(now), Peers.Key(key), Peers.Id(peer), []);
            model[(key, peer)] = now;
            store.Sweep(Peers.Start.AddHours(now));
        }

        int alive = model.Count(m => m.Value + 48 > now);
        Assert.Equal(alive, store.Count);
        Assert.Equal(alive, Enumerable.Range(0, 6).Sum(k => store.Get(Peers.Start.AddHours(now), Peers.Key(k)).Count));
    });

    private static ProviderStore Store() => new(Lifetime, new Random(1));
}
