using System.Text.Json;
using CsCheck;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests.DagPb;

public sealed class DagPbNodeTests
{
    private static readonly JsonElement Golden = Vectors.Load("dagpb-vectors.json");

    internal static readonly Gen<DagPbLink> GenLink =
        from data in Gen.Byte.Array[0, 20]
        from name in Gen.String[Gen.Char.AlphaNumeric, 0, 5]
        from tsize in Gen.ULong
        from v0 in Gen.Bool
        select new DagPbLink(v0 ? Cid.V0(Multihash.Sha256(data)) : Cid.V1(Multicodec.Raw, Multihash.Sha256(data)), name, tsize);

    [Fact]
    public void A_node_without_links_is_a_leaf()
    {
        foreach (JsonElement vector in Golden.GetProperty("nodes").EnumerateArray())
        {
            byte[] block = vector.Hex("hex")!;
            Assert.Equal(vector.GetProperty("decodedLinks").GetArrayLength() == 0, DagWalk.IsLeaf(block));
        }

        // Never true for a block with links or one that is not dag-pb.
        Gen.OneOf(
                Gen.Byte.Array[0, 40],
                from links in GenLink.Array[0, 3]
                from data in Gen.Byte.Array[0, 20]
                from cut in Gen.Int[0, 5]
                let block = new DagPbNode(links, data).Encode()
                select block[..Math.Max(0, block.Length - cut)])
            .Sample(block => Assert.Equal(DagPbNode.TryDecode(block, out DagPbNode? node) && node.Links.Count == 0, DagWalk.IsLeaf(block)));
    }

    [Fact]
    public void Golden_nodes_are_decoded_and_encoded()
    {
        foreach (JsonElement vector in Golden.GetProperty("nodes").EnumerateArray())
        {
            JsonElement given = vector.GetProperty("node");
            DagPbLink[] links = [.. given.GetProperty("links").EnumerateArray().Select(Link)];
            byte[] block = new DagPbNode(links, given.Hex("dataHex")).Encode();
            Assert.Equal(vector.Text("hex"), Convert.ToHexStringLower(block));
            Assert.Equal(vector.Text("cidV0"), Cid.V0(Multihash.Sha256(block)).ToString());
            Assert.Equal(vector.Text("cidV1"), Cid.V1(Multicodec.DagPb, Multihash.Sha256(block)).ToString());

            Assert.True(DagPbNode.TryDecode(block, out DagPbNode? node), vector.Text("name"));
            Assert.True(node.IsCanonical, vector.Text("name"));
            Assert.Equal(given.Hex("dataHex"), node.Data);
            Assert.Equal(vector.GetProperty("decodedLinks").EnumerateArray().Select(Link), node.Links);
            Assert.Equal(block, node.Encode());
        }
    }

    [Fact]
    public void Odd_nodes_are_refused_or_not_canonical()
    {
        int accepted = 0;
        foreach (JsonElement vector in Golden.GetProperty("decodeOdd").EnumerateArray())
        {
            bool decoded = DagPbNode.TryDecode(vector.Hex("hex"), out DagPbNode? node);
            Assert.Equal(vector.Text("js")!.StartsWith("accepted", StringComparison.Ordinal), decoded);
            if (decoded)
            {
                Assert.False(node!.IsCanonical);
                accepted++;
            }
        }

        Assert.Equal(1, accepted);
    }

    [Theory]
    [InlineData("1200")] // a link without a CID
    [InlineData("12021200")] // a link with only a name
    [InlineData("08011a00")] // a varint where bytes should be
    [InlineData("12080a0400550000")] // a CID of version 0 in the form of version 1
    [InlineData("12091a000a040155000018")] // a link's tsize of the wrong type
    [InlineData("12081200" + "0a0401550000")] // name before hash
    [InlineData("12090a0401550000" + "1201ff")] // a name that is not UTF-8
    [InlineData("0a8080808080808080808001")] // a length over 64 bits
    [InlineData("0affffffff0f00")] // a length beyond the block
    [InlineData("00")] // field 0
    public void Malformed_nodes_are_refused(string hex) => Assert.False(DagPbNode.TryDecode(Convert.FromHexString(hex), out _));

    [Fact]
    public void Other_encodings_are_not_canonical()
    {
        // A length that is not minimal.
        Assert.True(DagPbNode.TryDecode(Convert.FromHexString("0a810001"), out DagPbNode? node));
        Assert.False(node.IsCanonical);
        Assert.Equal([1], node.Data!);

        // Names out of order.
        byte[] a = new DagPbNode([new DagPbLink(Cid.V1(Multicodec.Raw, Multihash.Sha256([])), "a", 0)], null).Encode();
        byte[] b = new DagPbNode([new DagPbLink(Cid.V1(Multicodec.Raw, Multihash.Sha256([])), "b", 0)], null).Encode();
        Assert.True(DagPbNode.TryDecode((byte[])[.. b, .. a], out node));
        Assert.False(node.IsCanonical);
        Assert.Equal((byte[])[.. a, .. b], node.Encode());
    }

    [Fact]
    public void Too_many_links_are_refused()
    {
        byte[] link = Convert.FromHexString("12060a0401550000");
        byte[] block = new byte[(DagPbNode.MaxLinks + 1) * link.Length];
        for (int i = 0; i < block.Length; i += link.Length)
        {
            link.CopyTo(block, i);
        }

        Assert.False(DagPbNode.TryDecode(block, out _));
        Assert.True(DagPbNode.TryDecode(block.AsSpan(link.Length), out DagPbNode? node));
        Assert.Equal(DagPbNode.MaxLinks, node.Links.Count);
        Assert.False(DagPbNode.TryDecode(new byte[Blockstore.IBlockstore.MaxBlockLength + 1], out _));
    }

    [Fact]
    public void Nodes_round_trip() => Gen.Select(GenLink.Array[0, 8], Gen.Byte.Array[0, 300], Gen.Bool).Sample((links, data, hasData) =>
    {
        byte[] block = new DagPbNode(links, hasData ? data : null).Encode();
        Assert.True(DagPbNode.TryDecode(block, out DagPbNode? node));
        Assert.True(node.IsCanonical);
        Assert.Equal(hasData ? data : null, node.Data);
        Assert.Equal(links.OrderBy(link => link.Name, StringComparer.Ordinal), node.Links);
        Assert.Equal(block, node.Encode());
    });

    [Fact]
    public void Canonical_means_that_the_encoding_is_the_same() =>
        Gen.Select(GenLink.Array[0, 3], Gen.Byte.Array[0, 20], Gen.Int[0, 1000], Gen.Byte).Sample(
        (links, data, at, value) =>
        {
            byte[] block = new DagPbNode(links, data).Encode();
            block[at % block.Length] = value;
            if (DagPbNode.TryDecode(block, out DagPbNode? node))
            {
                Assert.Equal(node.IsCanonical, node.Encode().AsSpan().SequenceEqual(block));
            }
        });

    [Fact]
    public void Random_bytes_never_throw() => Gen.Byte.Array[0, 100].Sample(bytes => { _ = DagPbNode.TryDecode(bytes, out _); });

    private static DagPbLink Link(JsonElement link) => new(
        Cid.Parse(link.Text("cid")!), link.Text("name") ?? "", link.GetProperty("tsize").ValueKind == JsonValueKind.Number
            ? link.GetProperty("tsize").GetUInt64()
            : 0)
    {
        HasName = link.Text("name") is not null,
        HasTsize = link.GetProperty("tsize").ValueKind == JsonValueKind.Number,
    };
}
