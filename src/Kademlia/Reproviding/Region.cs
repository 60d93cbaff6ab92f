using System.Diagnostics;
using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Reproviding;

/// <summary>
/// A part of the key space whose peers one lookup has found completely, so that many keys can be announced after that lookup. When the n
/// closest peers to a point are known and the farthest of them shares c leading bits with it, every peer that shares more than c bits is
/// among them; when at least k of the n do, they include the k closest peers to any key with that prefix.
/// </summary>
/// <param name="Point">The point that was looked up.</param>
/// <param name="Bits">The number of leading bits that keys of the region share with the point; 0: the whole space, 256: the point
/// alone.</param>
internal readonly record struct Region(KadKey Point, int Bits)
{
    /// <summary>The region that a lookup covers.</summary>
    /// <param name="point">The target of the lookup.</param>
    /// <param name="peers">The peers that it found, the closest first.</param>
    /// <param name="requested">The number of peers that it looked for; when it found fewer, there are no others.</param>
    /// <param name="k">The number of peers that store a key.</param>
    public static Region Of(KadKey point, IReadOnlyList<DhtPeer> peers, int requested, int k)
    {
        Debug.Assert(k > 0 && requested >= k && peers.Count <= requested, "a lookup returns at most the number of peers requested");
        if (peers.Count < requested)
        {
            return new Region(point, 0);
        }

        int bits = KadKey.Of(peers[^1].Peer).CommonPrefix(point) + 1;
        int inside = peers.Count(p => KadKey.Of(p.Peer).CommonPrefix(point) >= bits);
        return new Region(point, inside >= k ? bits : KadKey.Bits);
    }

    /// <summary>Assigns each key to its k closest peers, and returns the peers that have at least one key.</summary>
    public static List<(DhtPeer Peer, List<Multihash> Keys)> Assign(IReadOnlyList<DhtPeer> peers, IReadOnlyList<Multihash> keys, int k)
    {
        (DhtPeer Peer, KadKey Point, List<Multihash> Keys)[] all = [.. peers.Select(p => (p, KadKey.Of(p.Peer), new List<Multihash>()))];
        foreach (Multihash key in keys)
        {
            KadKey point = KadKey.Of(key);
            foreach ((_, _, List<Multihash> assigned) in all.OrderBy(p => p.Point.DistanceTo(point)).Take(k))
            {
                assigned.Add(key);
            }
        }

        return [.. all.Where(p => p.Keys.Count > 0).Select(p => (p.Peer, p.Keys))];
    }
}
