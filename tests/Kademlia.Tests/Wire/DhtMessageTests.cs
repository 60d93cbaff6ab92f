using System.Buffers;
using System.Text.Json;
using CsCheck;
using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Kademlia.Tests.Wire;

public sealed class DhtMessageTests
{
    private static readonly Gen<(int Type, byte[] Key, List<int> Closer, List<int> Providers)> AnyMessage =
        Gen.Select(Gen.Int[0, 5], Gen.Byte.Array[0, 64], Gen.Int[0, 30].List[0, 20], Gen.Int[0, 30].List[0, 20]);

    private static readonly JsonElement Golden = Vectors.Load("kad-vectors.json");
    private static readonly string[] Connections = ["NOT_CONNECTED", "CONNECTED", "CAN_CONNECT", "CANNOT_CONNECT"];

    public static TheoryData<string> Names => [.. Golden.GetProperty("messages").EnumerateArray().Select(m => m.Text("name")!)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Golden_message(string name)
    {
        JsonElement vector = Golden.GetProperty("messages").EnumerateArray().First(m => m.Text("name") == name);
        byte[] bytes = vector.Hex("hex")!;
        Assert.True(DhtMessage.TryDecode(bytes, out DhtMessage? message));
        JsonElement expected = vector.GetProperty("message");
        Assert.Equal(expected.Text("type")!.Replace("_", "", StringComparison.Ordinal), message!.Type.ToString(), ignoreCase: true);
        Assert.Equal(expected.Hex("keyHex"), message.Key);
        Assert.Equal(expected.Hex("recordHex"), message.Record?.Encode());
        JsonElement level = expected.GetProperty("clusterLevel");
        Assert.Equal(level.ValueKind == JsonValueKind.Null ? null : level.GetInt32(), message.ClusterLevel);
        AssertPeers(expected.GetProperty("closer"), message.Closer);
        AssertPeers(expected.GetProperty("providers"), message.Providers);
        Assert.Equal(bytes, message.Encode());
        byte[] framed = vector.Hex("framedHex")!;
        Assert.Equal(OperationStatus.Done, Varint.TryRead(framed, out ulong length, out int head));
        Assert.Equal((ulong)bytes.Length, length);
        Assert.Equal(bytes, framed[head..]);
    }

    [Fact]
    public void Golden_record()
    {
        JsonElement vector = Golden.GetProperty("record");
        Assert.True(DhtRecord.TryDecode(vector.Hex("hex"), out DhtRecord? record));
        Assert.Equal(vector.Hex("keyHex"), record!.Key);
        Assert.Equal(vector.Hex("valueHex"), record.Value);
        Assert.Equal(vector.Text("timeReceived"), record.TimeReceived);
        Assert.Equal(vector.Hex("hex"), record.Encode());
    }

    [Fact]
    public void Messages_round_trip() => AnyMessage.Sample((type, key, closer, providers) =>
    {
        var message = new DhtMessage
        {
            Type = (DhtMessageType)type,
            Key = key,
            Closer = closer.ConvertAll(Peers.Peer),
            Providers = providers.ConvertAll(Peers.Peer),
        };
        Assert.True(DhtMessage.TryDecode(message.Encode(), out DhtMessage? read));
        Assert.Equal(message.Type, read!.Type);
        Assert.Equal(key, read.Key);
        Assert.Equal(message.Closer.Select(p => p.Peer), read.Closer.Select(p => p.Peer));
        Assert.Equal(message.Providers.SelectMany(p => p.Addresses), read.Providers.SelectMany(p => p.Addresses));
    });

    [Fact]
    public void No_input_throws_and_decoded_messages_are_bounded()
    {
        byte[][] seeds = [.. Golden.GetProperty("messages").EnumerateArray().Select(m => m.Hex("hex")!)];
        Gen.Select(Gen.Int[0, seeds.Length - 1], Gen.Select(Gen.Int[0, 200], Gen.Byte).Array[0, 8], Gen.Int[0, 300]).Sample(
            (seed, changes, length) =>
            {
                byte[] bytes = seeds[seed][..Math.Min(length, seeds[seed].Length)];
                foreach ((int at, byte value) in changes.Where(c => c.Item1 < bytes.Length))
                {
                    bytes[at] = value;
                }

                if (DhtMessage.TryDecode(bytes, out DhtMessage? message))
                {
                    Assert.True(DhtMessage.TryDecode(message!.Encode(), out _));
                }
            },
            iter: 20_000);
    }

    [Fact]
    public void More_than_the_bounds_is_cut_or_refused()
    {
        DhtPeer[] peers = [.. Enumerable.Range(0, 1000).Select(Peers.Peer)];
        var many = new DhtMessage { Type = DhtMessageType.FindNode, Closer = peers, Providers = peers };
        Assert.True(DhtMessage.TryDecode(many.Encode(), out DhtMessage? read));
        Assert.Equal(DhtMessage.MaxCloser, read!.Closer.Count);
        Assert.Equal(DhtMessage.MaxProviders, read.Providers.Count);
        var addresses = new DhtPeer(Peers.Id(1), [.. Enumerable.Range(0, 100).Select(Peers.Address)]);
        Assert.True(DhtPeer.TryDecode(addresses.Encode(), out DhtPeer? peer));
        Assert.Equal(DhtPeer.MaxAddresses, peer!.Addresses.Count);
        var longKey = new DhtMessage { Type = DhtMessageType.FindNode, Key = new byte[DhtMessage.MaxKeyLength + 1] };
        Assert.False(DhtMessage.TryDecode(longKey.Encode(), out _));
        Assert.False(DhtRecord.TryDecode(new DhtRecord([1], new byte[DhtRecord.MaxValueLength + 1]).Encode(), out _));
        Assert.False(DhtMessage.TryDecode([0x08, 0x06], out _));
    }

    [Fact]
    public void Messages_of_too_many_fields_are_refused()
    {
        // A peer of 40,000 empty addresses, and 20,000 empty peers: two bytes each.
        byte[] addresses = [0x42, 0x80, 0xf1, 0x04, .. Enumerable.Repeat((byte[])[0x12, 0x00], 40_000).SelectMany(field => field)];
        Assert.False(DhtMessage.TryDecode(addresses, out _));
        Assert.False(DhtMessage.TryDecode([.. Enumerable.Repeat((byte[])[0x4a, 0x00], 20_000).SelectMany(field => field)], out _));
    }

    // An unknown field, a type and a level that are there twice, a key of another wire type, an empty key, a negative level.
    [Theory]
    [InlineData("08051a00a00601", DhtMessageType.Ping, false, null)]
    [InlineData("080108045001500a", DhtMessageType.FindNode, false, 10)]
    [InlineData("08041005", DhtMessageType.FindNode, false, null)]
    [InlineData("08041200", DhtMessageType.FindNode, true, null)]
    [InlineData("50ffffffffffffffffff01", DhtMessageType.PutValue, false, -1)]
    public void Fields_are_read_as_protobuf_says(string hex, object type, bool key, int? level)
    {
        Assert.True(DhtMessage.TryDecode(Convert.FromHexString(hex), out DhtMessage? message));
        Assert.Equal(type, message!.Type);
        Assert.Equal(key, message.Key is not null);
        Assert.Equal(level, message.ClusterLevel);
    }

    private static void AssertPeers(JsonElement expected, IReadOnlyList<DhtPeer> peers)
    {
        Assert.Equal(expected.GetArrayLength(), peers.Count);
        foreach ((JsonElement e, DhtPeer p) in expected.EnumerateArray().Zip(peers))
        {
            Assert.Equal(e.Text("peerId"), p.Peer.ToString());
            Assert.Equal(e.GetProperty("multiaddrs").EnumerateArray().Select(a => a.GetString()), p.Addresses.Select(a => a.ToString()));
            Assert.Equal(e.Text("connection") ?? Connections[0], Connections[p.Connection]);
        }
    }
}
