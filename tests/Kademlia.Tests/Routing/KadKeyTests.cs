using System.Text.Json;
using CsCheck;
using Ipcs.Kademlia.Routing;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Kademlia.Tests.Routing;

public sealed class KadKeyTests
{
    private static readonly JsonElement Golden = Vectors.Load("kad-vectors.json");

    [Fact]
    public void Golden_key()
    {
        JsonElement keys = Golden.GetProperty("keys");
        Cid cid = Cid.Parse(keys.Text("cid")!);
        Assert.Equal(keys.Hex("multihashHex"), cid.Hash.ToArray());
        Assert.Equal(keys.Text("kadIdHex"), KadKey.Of(cid.Hash).ToString());
    }

    [Fact]
    public void Golden_distances()
    {
        foreach (JsonElement d in Golden.GetProperty("distances").EnumerateArray())
        {
            var a = KadKey.Of(PeerId.Parse(d.Text("a")!));
            var b = KadKey.Of(PeerId.Parse(d.Text("b")!));
            Assert.Equal(d.Text("xorHex"), a.DistanceTo(b).ToString());
            Assert.Equal(d.GetProperty("commonPrefixLength").GetInt32(), a.CommonPrefix(b));
        }
    }

    [Fact]
    public void Distances_are_ordered_as_their_bytes() => Gen.Byte.Array[32].Array[3].Sample(keys =>
    {
        KadKey a = KadKey.FromBytes(keys[0]), b = KadKey.FromBytes(keys[1]), target = KadKey.FromBytes(keys[2]);
        byte[] toA = a.DistanceTo(target).ToArray(), toB = b.DistanceTo(target).ToArray();
        Assert.Equal(Math.Sign(toA.AsSpan().SequenceCompareTo(toB)), Math.Sign(a.DistanceTo(target).CompareTo(b.DistanceTo(target))));
        Assert.Equal(a.DistanceTo(b), b.DistanceTo(a));
    });
}
