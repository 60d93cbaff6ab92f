using System.Buffers;
using System.Text.Json;
using Ipcs.Libp2p.Identify;
using Ipcs.Libp2p.Identity;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Libp2p.Tests.Identify;

/// <summary>Identify messages and signed peer records, as recorded from js-libp2p.</summary>
public sealed class IdentifyTests
{
    public static TheoryData<int> Cases { get; } =
        [.. Enumerable.Range(0, Vectors.Load("identify-vectors.json").GetProperty("cases").GetArrayLength())];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Messages_are_read_as_the_vectors_say(int index)
    {
        JsonElement vector = Vectors.Load("identify-vectors.json").GetProperty("cases")[index];
        byte[] framed = vector.Hex("framedHex")!;
        Assert.Equal(OperationStatus.Done, Varint.TryRead(framed, out ulong length, out int n));
        Assert.Equal(vector.Hex("identifyHex"), framed[n..]);
        Assert.Equal((ulong)(framed.Length - n), length);
        Assert.True(IdentifyMessage.TryDecode(vector.Hex("identifyHex"), out IdentifyMessage? message));
        Check(vector, message!);
        Assert.True(IdentifyMessage.TryDecode(message!.Encode(), out IdentifyMessage? again));
        Check(vector, again!);
        Assert.Equal(vector.Hex("identifyHex")!.Length, message.Encode().Length);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Records_are_sealed_and_opened_as_the_vectors_say(int index)
    {
        JsonElement vector = Vectors.Load("identify-vectors.json").GetProperty("cases")[index];
        byte[] envelope = vector.Hex("envelopeHex")!;
        Assert.True(SignedPeerRecord.TryOpen(envelope, out SignedPeerRecord? record));
        Assert.Equal(vector.Text("peerId"), record.Peer.ToString());
        Assert.Equal(vector.GetProperty("seqNumber").GetUInt64(), record.Sequence);
        Assert.Equal(ListenAddresses(vector), record.Addresses.Select(a => a.ToString()));
        KeyPair pair = KeyPair.FromSeed(Vectors.Load("peerid-vectors.json").GetProperty("keys").EnumerateArray()
            .Single(k => k.Text("name") == vector.Text("name")).Hex("seedHex"));
        Assert.Equal(envelope, record.Seal(pair));

        // An envelope with a changed byte is refused, or the change is in an unknown field.
        for (int i = 0; i < envelope.Length; i++)
        {
            byte[] changed = [.. envelope];
            changed[i] ^= 0x01;
            if (SignedPeerRecord.TryOpen(changed, out SignedPeerRecord? other))
            {
                Assert.Equal(record.Peer, other.Peer);
                Assert.Equal(record.Addresses, other.Addresses);
            }
        }
    }

    [Fact]
    public void A_record_about_another_peer_is_refused()
    {
        KeyPair mallory = KeyPair.Generate();
        byte[] envelope = new SignedPeerRecord(KeyPair.Generate().PeerId, 1, [Multiaddr.Parse("/ip4/1.2.3.4/tcp/1")]).Seal(mallory);
        Assert.False(SignedPeerRecord.TryOpen(envelope, out _));
    }

    [Theory]
    [InlineData("0aff")]
    [InlineData("0a05")]
    [InlineData("07")]
    [InlineData("ffffffffffffffffffff01")]
    public void Bytes_that_are_not_a_protobuf_are_refused(
        string hex) => Assert.False(IdentifyMessage.TryDecode(Convert.FromHexString(hex), out _));

    [Fact]
    public void Entries_are_bounded()
    {
        var many = new IdentifyMessage
        {
            Protocols = [.. Enumerable.Range(0, 1000).Select(i => $"/p/{i}")],
            ListenAddresses = [.. Enumerable.Range(0, 1000).Select(i => Multiaddr.Parse($"/ip4/1.2.3.4/tcp/{i}"))],
            AgentVersion = new string('a', 10_000),
        };
        Assert.True(IdentifyMessage.TryDecode(many.Encode(), out IdentifyMessage? message));
        Assert.Equal(IdentifyMessage.MaxEntries, message!.Protocols.Count);
        Assert.Equal(IdentifyMessage.MaxEntries, message.ListenAddresses.Count);
        Assert.Equal(256, message.AgentVersion.Length);
    }

    [Fact]
    public void What_is_absent_unknown_or_no_address_is_left_out()
    {
        Assert.True(IdentifyMessage.TryDecode([], out IdentifyMessage? message));
        Assert.Empty(message!.PublicKey);
        Assert.Null(message.ObservedAddress);
        Assert.Equal("", message.AgentVersion);
        Assert.True(IdentifyMessage.TryDecode(Convert.FromHexString("1201ff12047f0000011a001a022f6122005001"), out message));
        Assert.Empty(message!.ListenAddresses);
        Assert.Equal(["/a"], message.Protocols);
    }

    [Fact]
    public void A_version_is_not_cut_inside_a_character()
    {
        var versioned = new IdentifyMessage { AgentVersion = new string('a', 255) + "\U0001f600" };
        Assert.True(IdentifyMessage.TryDecode(versioned.Encode(), out IdentifyMessage? message));
        Assert.Equal(new string('a', 255), message!.AgentVersion);
    }

    [Fact]
    public void Messages_of_too_many_fields_are_refused()
    {
        byte[] addresses = [.. Enumerable.Repeat((byte[])[0x12, 0x00], 5000).SelectMany(field => field)];
        Assert.False(IdentifyMessage.TryDecode(addresses, out _));
        Assert.False(IdentifyMessage.TryDecode(new byte[] { 0x0a, 0x80, 0x80, 0x04 }.Concat(new byte[65536]).ToArray(), out _));
    }

    [Fact]
    public void Addresses_of_a_record_are_bounded()
    {
        KeyPair pair = KeyPair.FromSeed(new byte[32]);
        Multiaddr[] addresses = [.. Enumerable.Range(0, 1500).Select(i => Multiaddr.Parse($"/ip4/1.2.3.4/tcp/{i}"))];
        Assert.True(SignedPeerRecord.TryOpen(
            new SignedPeerRecord(pair.PeerId, 1, addresses[..1000]).Seal(pair), out SignedPeerRecord? record));
        Assert.Equal(addresses[..IdentifyMessage.MaxEntries], record.Addresses);
        Assert.False(SignedPeerRecord.TryOpen(new SignedPeerRecord(pair.PeerId, 1, addresses).Seal(pair), out _));
    }

    private static IEnumerable<string?> ListenAddresses(JsonElement vector) =>
        vector.GetProperty("listenAddrs").EnumerateArray().Select(a => a.GetString());

    private static void Check(JsonElement vector, IdentifyMessage message)
    {
        Assert.Equal(vector.Text("peerId"), PeerId.FromPublicKey(message.PublicKey).ToString());
        Assert.Equal(ListenAddresses(vector), message.ListenAddresses.Select(a => a.ToString()));
        Assert.Equal(vector.GetProperty("protocols").EnumerateArray().Select(a => a.GetString()), message.Protocols);
        Assert.Equal(vector.Text("observedAddr"), message.ObservedAddress?.ToString());
        Assert.Equal(vector.Text("agentVersion"), message.AgentVersion);
        Assert.Equal(vector.Text("protocolVersion"), message.ProtocolVersion);
        Assert.Equal(vector.Hex("envelopeHex"), message.PeerRecordEnvelope);
    }
}
