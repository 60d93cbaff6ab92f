using System.Text.Json;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Security.Noise;
using Ipcs.TestKit;

namespace Ipcs.Libp2p.Tests;

/// <summary>Whole handshakes with fixed keys, as js-libp2p made them.</summary>
public sealed class NoiseTests
{
    public static TheoryData<int> Cases { get; } = [.. Enumerable.Range(0, Vectors.Load("noise-vectors.json").GetProperty("cases").GetArrayLength())];

    [Theory]
    [MemberData(nameof(Cases))]
    public void HandshakeEqualsTheVector(int index)
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
    public void AnyBitFlippedIsRefused()
    {
        KeyPair alice = KeyPair.Generate(), bob = KeyPair.Generate();
        for (int bit = 0; bit < 8; bit++)
        {
            var i = new NoiseHandshake(alice);
            var r = new NoiseHandshake(bob);
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
    public void ShortMessagesAreRefused(int length)
    {
        var i = new NoiseHandshake(KeyPair.Generate());
        i.WriteA();
        Assert.Throws<NoiseException>(() => i.ReadB(new byte[length]));
    }

    private static (NoiseHandshake Handshake, byte[] Payload) Side(JsonElement side) => (
        new NoiseHandshake(KeyPair.FromSeed(side.Hex("identitySeedHex")!), side.Hex("staticPrivateHex")!, side.Hex("ephemeralPrivateHex")!),
        side.Hex("payloadHex")!);
}
