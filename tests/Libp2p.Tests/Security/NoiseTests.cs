using System.Text.Json;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Security.Noise;
using Ipcs.Libp2p.Transport;
using Ipcs.TestKit;

namespace Ipcs.Libp2p.Tests.Security;

/// <summary>Handshakes with fixed keys, as recorded from js-libp2p.</summary>
public sealed class NoiseTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<int> Cases { get; } =
        [.. Enumerable.Range(0, Vectors.Load("noise-vectors.json").GetProperty("cases").GetArrayLength())];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Handshake_equals_the_vector(int index)
    {
        JsonElement vector = Vectors.Load("noise-vectors.json").GetProperty("cases")[index];
        (NoiseHandshake i, byte[] iPayload) = Side(vector.GetProperty("initiator"));
        (NoiseHandshake r, byte[] rPayload) = Side(vector.GetProperty("responder"));
        byte[] a = i.WriteA();
        Assert.Equal(vector.Hex("messageAHex"), a);
        r.ReadA(a);
        byte[] b = r.WriteB(rPayload);
        Assert.Equal(vector.Hex("messageBHex"), b);
        i.ReadB(b);
        byte[] c = i.WriteC(iPayload);
        Assert.Equal(vector.Hex("messageCHex"), c);
        r.ReadC(c);
        Assert.Equal(vector.GetProperty("responder").Text("peerId"), i.RemotePeer.ToString());
        Assert.Equal(vector.GetProperty("initiator").Text("peerId"), r.RemotePeer.ToString());
        Assert.Equal(vector.Hex("handshakeHashHex"), i.HandshakeHash.ToArray());
        Assert.Equal(vector.Hex("initiatorToResponderKeyHex"), i.Split().InitiatorToResponder);
        Assert.Equal(vector.Hex("responderToInitiatorKeyHex"), r.Split().ResponderToInitiator);
    }

    [Fact]
    public void A_flipped_bit_is_refused()
    {
        using NoiseIdentity alice = new(KeyPair.Generate()), bob = new(KeyPair.Generate());
        for (int bit = 0; bit < 8; bit++)
        {
            using var i = new NoiseHandshake(alice);
            using var r = new NoiseHandshake(bob);
            r.ReadA(i.WriteA());
            byte[] b = r.WriteB();
            b[(b.Length - 1) * bit / 8] ^= (byte)(1 << bit);
            Assert.Throws<NoiseException>(() => i.ReadB(b));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(31)]
    [InlineData(95)]
    public void Short_messages_are_refused(int length)
    {
        using var identity = new NoiseIdentity(KeyPair.Generate());
        using var i = new NoiseHandshake(identity);
        i.WriteA();
        Assert.Throws<NoiseException>(() => i.ReadB(new byte[length]));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Transport_messages_equal_the_vector(int index)
    {
        JsonElement vector = Vectors.Load("noise-vectors.json").GetProperty("cases")[index];
        byte[] there = vector.Hex("initiatorToResponderKeyHex")!, back = vector.Hex("responderToInitiatorKeyHex")!;
        (SocketChannel a, SocketChannel b) = await Wire.ConnectAsync(Cancel);
        var initiator = NoiseChannel.FromKeys(a, default, there, back);
        var responder = NoiseChannel.FromKeys(b, default, back, there);
        using IDisposable first = Wire.Own(initiator), second = Wire.Own(responder);
        foreach (JsonElement message in vector.GetProperty("transport").EnumerateArray())
        {
            await ExchangeAsync(initiator, responder, message.Hex("initiatorPlainHex")!, message.Hex("initiatorCipherHex")!);
            await ExchangeAsync(responder, initiator, message.Hex("responderPlainHex")!, message.Hex("responderCipherHex")!);
        }
    }

    [Theory]
    [InlineData("0000")]
    [InlineData("000f00000000000000000000000000")]
    [InlineData("001000000000000000000000000000000000")]
    public async Task Malformed_frames_end_the_connection(string hex)
    {
        (SocketChannel a, SocketChannel b) = await Wire.ConnectAsync(Cancel);
        var channel = NoiseChannel.FromKeys(b, default, new byte[32], new byte[32]);
        using (Wire.Own(channel))
        using (a)
        {
            await a.WriteAsync(Convert.FromHexString(hex), Cancel);
            await Assert.ThrowsAsync<NoiseException>(async () => await channel.ReadChunkAsync(Cancel));
        }
    }

    [Fact]
    public async Task A_handshake_message_that_is_too_long_is_refused()
    {
        (SocketChannel a, SocketChannel b) = await Wire.ConnectAsync(Cancel);
        using var identity = new NoiseIdentity(KeyPair.Generate());
        using (a)
        using (b)
        {
            await a.WriteAsync(new byte[] { 0xff, 0xff }, Cancel);
            await Assert.ThrowsAsync<NoiseException>(() => NoiseChannel.HandshakeAsync(b, identity, initiator: false, Cancel));
        }
    }

    private static async Task ExchangeAsync(NoiseChannel from, NoiseChannel to, byte[] plain, byte[] cipher)
    {
        byte[] frame = new byte[NoiseChannel.HeadLength + plain.Length + NoiseChannel.TagLength];
        plain.CopyTo(frame, NoiseChannel.HeadLength);
        from.Seal(frame, plain.Length);
        Assert.Equal(cipher, frame[NoiseChannel.HeadLength..]);
        await from.SendSealedAsync(frame, Cancel);
        byte[] got = new byte[plain.Length];
        await to.ReadExactlyAsync(got, Cancel);
        Assert.Equal(plain, got);
    }

    private static (NoiseHandshake Handshake, byte[] Payload) Side(JsonElement side)
    {
        var identity = new NoiseIdentity(KeyPair.FromSeed(side.Hex("identitySeedHex")!), side.Hex("staticPrivateHex")!);
        return (new NoiseHandshake(identity, side.Hex("ephemeralPrivateHex")!), side.Hex("payloadHex")!);
    }
}
