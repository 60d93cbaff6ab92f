using CsCheck;
using Ipcs.Kademlia.Reproviding;
using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Tests.Reproviding;

public sealed class RegionTests
{
    private const int K = 20;
    private static readonly DhtPeer[] Everybody = [.. Enumerable.Range(1, 1000).Select(Peers.Peer)];

    [Fact]
    public void Region_keys_go_to_their_closest_peers() => Gen.Select(Gen.Int[1, Everybody.Length], Gen.Int).Sample((network, seed) =>
    {
        DhtPeer[] all = Everybody[..network];
        KadKey point = KadKey.Of(Peers.Key(seed));
        DhtPeer[] found = [.. Closest(all, point, 2 * K)];
        var region = Region.Of(point, found, 2 * K, K);
        Multihash[] keys =
            [.. Enumerable.Range(0, 60).Select(n => Peers.Key(n)).Where(k => KadKey.Of(k).CommonPrefix(point) >= region.Bits)];
        List<(DhtPeer Peer, List<Multihash> Keys)> shares = Region.Assign(found, keys, K);
        foreach (Multihash key in keys)
        {
            Assert.Equal(
                Closest(all, KadKey.Of(key), K).Select(p => p.Peer).ToHashSet(),
                shares.Where(s => s.Keys.Contains(key)).Select(s => s.Peer.Peer).ToHashSet());
        }
    }, iter: 50);

    [Fact]
    public void A_small_network_is_one_region() => Assert.Equal(0, Region.Of(KadKey.Of(Peers.Key(1)), [Peers.Peer(1)], 2 * K, K).Bits);

    [Fact]
    public void A_large_network_has_regions_with_many_keys()
    {
        DhtPeer[] all = Everybody;
        int[] bits =
        [
            .. Enumerable.Range(0, 100)
                .Select(n => KadKey.Of(Peers.Key(n)))
                .Select(p => Region.Of(p, [.. Closest(all, p, 2 * K)], 2 * K, K).Bits),
        ];
        Assert.InRange(bits.Count(b => b < 10), 40, 100);
    }

    private static IEnumerable<DhtPeer> Closest(IEnumerable<DhtPeer> peers, KadKey point, int count) =>
        peers.OrderBy(p => KadKey.Of(p.Peer).DistanceTo(point)).Take(count);
}
