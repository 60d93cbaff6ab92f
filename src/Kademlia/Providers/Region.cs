using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Providers;

/// <summary>
/// A part of the key space of which one lookup has shown all peers, so that many keys can be announced after it.
/// When the n closest peers of a point are known and the farthest of them has c bits in common with it, every peer with more than c bits in
/// common is among them; and when k of those are, the k closest peers of any key with that prefix are.
/// </summary>
/// <param name="Point">The point that was looked up.</param>
/// <param name="Bits">How many leading bits keys of the region have in common with it; 0 for the whole space, 256 for the point alone.</param>
internal readonly record struct Region(KadKey Point, int Bits)
{
    /// <summary>The region that a lookup has shown.</summary>
    /// <param name="point">What was looked up.</param>
    /// <param name="peers">The peers it found, the closest first.</param>
    /// <param name="asked">How many it was to find: with fewer there are no others.</param>
    /// <param name="k">How many peers keep a key.</param>
    public static Region Of(KadKey point, IReadOnlyList<DhtPeer> peers, int asked, int k)
    {
        if (peers.Count < asked)
        {
            return new Region(point, 0);
        }

        int bits = KadKey.Of(peers[^1].Peer).CommonPrefix(point) + 1;
        int inside = peers.Count(p => KadKey.Of(p.Peer).CommonPrefix(point) >= bits);
        return new Region(point, inside >= k ? bits : KadKey.Bits);
    }

    /// <summary>Says which peer is to be told of which keys: each key's k closest.</summary>
    public static List<(DhtPeer Peer, List<Multihash> Keys)> Assign(IReadOnlyList<DhtPeer> peers, IReadOnlyList<Multihash> keys, int k)
    {
        (DhtPeer Peer, KadKey Point, List<Multihash> Keys)[] all = [.. peers.Select(p => (p, KadKey.Of(p.Peer), new List<Multihash>()))];
        foreach (Multihash key in keys)
        {
            KadKey point = KadKey.Of(key);
            foreach ((_, _, List<Multihash> mine) in all.OrderBy(p => p.Point.DistanceTo(point)).Take(k))
            {
                mine.Add(key);
            }
        }

        return [.. all.Where(p => p.Keys.Count > 0).Select(p => (p.Peer, p.Keys))];
    }
}
