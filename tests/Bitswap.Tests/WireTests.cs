using System.Text.Json;
using CsCheck;
using Ipcs.Bitswap.Wire;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Bitswap.Tests;

/// <summary>Messages encoded by Helia, and malformed bytes.</summary>
public sealed class WireTests
{
    public static TheoryData<string> Names { get; } =
        [.. Vectors.Load("bitswap-vectors.json").GetProperty("messages").EnumerateArray().Select(m => m.Text("name")!)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Vector_decodes(string name)
    {
        JsonElement vector = VectorOf(name);
        Assert.True(BitswapMessage.TryDecode(vector.Hex("hex"), out BitswapMessage? message));
        JsonElement expected = vector.GetProperty("message");
        JsonElement entries = expected.GetProperty("wantlist").GetProperty("entries");
        Assert.Equal(entries.GetArrayLength(), message!.Wants.Count);
        foreach ((JsonElement e, WantEntry want) in entries.EnumerateArray().Zip(message.Wants))
        {
            Assert.Equal(e.Hex("cidBytesHex"), want.Cid.ToArray());
            Assert.Equal(e.GetProperty("priority").GetInt32(), want.Priority);
            Assert.Equal(e.GetProperty("cancel").ValueKind == JsonValueKind.True, want.Cancel);
            Assert.Equal(e.Text("wantType") == "WantHave", want.WantHave);
            Assert.Equal(e.GetProperty("sendDontHave").ValueKind == JsonValueKind.True, want.SendDontHave);
        }

        Assert.Equal(
            expected.GetProperty("blocks").EnumerateArray().Select(b => b.Text("dataHex")),
            message.Blocks.Select(b => Convert.ToHexStringLower(b.Data.Span)));
        Assert.Equal(
            expected.GetProperty("blockPresences").EnumerateArray().Select(p => (p.Text("cidBytesHex"), p.Text("type") == "HaveBlock")),
            message.Presences.Select(p => ((string?)Convert.ToHexStringLower(p.Cid.ToArray()), p.Have)));
        Assert.Equal(expected.GetProperty("pendingBytes").GetInt32(), message.PendingBytes);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void An_encoded_message_decodes_to_the_same(string name)
    {
        JsonElement vector = VectorOf(name);
        Assert.True(BitswapMessage.TryDecode(vector.Hex("hex"), out BitswapMessage? first));
        Assert.True(BitswapMessage.TryDecode(first!.Encode(), out BitswapMessage? second));
        Assert.Equal(first.Wants, second!.Wants);
        Assert.Equal(first.Presences, second.Presences);
        Assert.Equal(first.Blocks.Select(b => b.Data.ToArray()), second.Blocks.Select(b => b.Data.ToArray()));
        Assert.Equal(
            first.Blocks.Select(b => (b.Version, b.Codec, b.HashCode)),
            second.Blocks.Select(b => (b.Version, b.Codec, b.HashCode)));
        Assert.Equal(first.PendingBytes, second.PendingBytes);
    }

    [Fact]
    public void Blocks_of_version100_are_read()
    {
        JsonElement vector = Vectors.Load("bitswap-vectors.json").GetProperty("handmade")[0];
        Assert.True(BitswapMessage.TryDecode(vector.Hex("hex"), out BitswapMessage? message));
        Assert.Equal(
            vector.GetProperty("blocks").EnumerateArray().Select(b => b.GetString()),
            message!.Blocks.Select(b => Convert.ToHexStringLower(b.Data.Span)));
    }

    [Fact]
    public void Blocks_of_version100_are_written()
    {
        JsonElement vector = Vectors.Load("bitswap-vectors.json").GetProperty("handmade")[0];
        Assert.True(BitswapMessage.TryDecode(vector.Hex("hex"), out BitswapMessage? message));

        // The vector begins with an empty wantlist, which this encoder omits.
        Assert.Equal(vector.Hex("hex")![2..], message!.Encode(bare: true));
    }

    [Fact]
    public void Compressed_blocks_are_decoded_only_when_they_were_negotiated()
    {
        var message = new BitswapMessage();
        message.Blocks.Add(new BlockEntry(1, Multicodec.Raw, Multihash.Sha2_256, new byte[] { 1, 2, 3 }, Compressed: true));
        message.Blocks.Add(new BlockEntry(0, Multicodec.DagPb, Multihash.Sha2_256, new byte[] { 4 }));
        byte[] encoded = message.Encode();
        Assert.Equal("320b" + "0a0401551220" + "1203010203" + "1a09" + "0a0400701220" + "120104", Convert.ToHexStringLower(encoded));
        Assert.True(BitswapMessage.TryDecode(encoded, out BitswapMessage? decoded, compressed: true));
        Assert.Equal([(true, 3), (false, 1)], decoded!.Blocks.Select(b => (b.Compressed, b.Data.Length)));

        Assert.True(BitswapMessage.TryDecode(encoded, out BitswapMessage? plain));
        Assert.False(Assert.Single(plain!.Blocks).Compressed);
    }

    [Fact]
    public void Random_bytes_never_throw() => Gen.Byte.Array[0, 300].Sample(bytes =>
    {
        _ = BitswapMessage.TryDecode(bytes, out _, compressed: true);
        return true;
    });

    [Fact]
    public void Too_many_wants_are_refused()
    {
        var message = new BitswapMessage();
        Cid cid = Cid.V1(Multicodec.Raw, Multihash.Sha256("x"u8));
        var want = new WantEntry(cid, 1, Cancel: false, WantHave: false, SendDontHave: false);
        message.Wants.AddRange(Enumerable.Repeat(want, BitswapMessage.MaxEntries + 1));
        Assert.False(BitswapMessage.TryDecode(message.Encode(), out _));
    }

    private static JsonElement VectorOf(string name) =>
        Vectors.Load("bitswap-vectors.json").GetProperty("messages").EnumerateArray().First(m => m.Text("name") == name);
}
