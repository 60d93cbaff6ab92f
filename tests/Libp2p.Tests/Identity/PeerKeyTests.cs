using System.Security.Cryptography;
using System.Text.Json;
using Ipcs.Libp2p.Identity;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Libp2p.Tests.Identity;

/// <summary>Keys of every type with signatures of js-libp2p, and keys that must be refused.</summary>
public sealed class PeerKeyTests
{
    public static TheoryData<int> Keys { get; } =
        [.. Enumerable.Range(0, Vectors.Load("key-vectors.json").GetProperty("keys").GetArrayLength())];

    [Theory]
    [MemberData(nameof(Keys))]
    public void Signatures_of_every_kind_are_checked(int index)
    {
        JsonElement vector = Vectors.Load("key-vectors.json").GetProperty("keys")[index];
        byte[] message = vector.Hex("messageHex")!, signature = vector.Hex("signatureHex")!;
        Assert.True(PeerKey.TryParse(vector.Hex("publicKeyProtobufHex"), out PeerKey? key));
        if (vector.Text("peerId") is { } id)
        {
            Assert.Equal(id, key.PeerId.ToString());
        }

        Assert.True(key.Verify(message, signature));
        message[0] ^= 1;
        Assert.False(key.Verify(message, signature));
        message[0] ^= 1;
        for (int i = 0; i < signature.Length; i++)
        {
            signature[i] ^= 0x10;
            Assert.False(key.Verify(message, signature));
            signature[i] ^= 0x10;
        }

        Assert.False(key.Verify(message, signature.AsSpan(0, signature.Length - 1)));
        Assert.False(key.Verify(message, []));
    }

    [Fact]
    public void Keys_of_the_peer_id_vectors_sign_and_verify()
    {
        foreach (JsonElement vector in Vectors.Load("peerid-vectors.json").GetProperty("keys").EnumerateArray())
        {
            KeyPair pair = KeyPair.FromSeed(vector.Hex("seedHex"));
            Assert.Equal(vector.Hex("publicKeyProtobufHex"), pair.PublicKeyProtobuf);
            Assert.Equal(vector.Hex("privateKeyProtobufHex"), pair.PrivateKeyProtobuf());
            Assert.Equal(vector.Text("peerId"), pair.PeerId.ToString());
            Assert.Equal(vector.Hex("signatureHex"), pair.Sign(vector.Hex("signMessageHex")));
            Assert.True(KeyPair.Verify(pair.PublicKeyProtobuf, vector.Hex("signMessageHex"), vector.Hex("signatureHex")));
            Assert.True(KeyPair.TryParsePrivate(vector.Hex("privateKeyProtobufHex"), out KeyPair? parsed));
            Assert.Equal(pair.PeerId, parsed.PeerId);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("0801")]
    [InlineData("08041220")]
    [InlineData("12200801")]
    [InlineData("080112200000")]
    public void Bytes_that_are_not_a_key_are_refused(string hex) => Assert.False(PeerKey.TryParse(Convert.FromHexString(hex), out _));

    [Fact]
    public void Truncated_and_lengthened_keys_are_refused()
    {
        foreach (JsonElement vector in Vectors.Load("key-vectors.json").GetProperty("keys").EnumerateArray())
        {
            byte[] key = vector.Hex("publicKeyProtobufHex")!;
            Assert.False(PeerKey.TryParse(key.AsSpan(0, key.Length - 1), out _));
            Assert.False(PeerKey.TryParse([.. key, 0], out _));
        }
    }

    // The type twice, the data twice, a type and a length that are not in their shortest form, the data first, an unknown field.
    [Theory]
    [InlineData("08010801", "1220", "")]
    [InlineData("08011200", "1220", "")]
    [InlineData("088100", "1220", "")]
    [InlineData("0801", "12a000", "")]
    [InlineData("", "1220", "0801")]
    [InlineData("0801", "1220", "1800")]
    public void Keys_that_are_not_in_the_one_encoding_are_refused(string type, string data, string end)
    {
        KeyPair pair = KeyPair.FromSeed(new byte[32]);
        byte[] head = Convert.FromHexString(type + data), tail = Convert.FromHexString(end);
        Assert.False(PeerKey.TryParse([.. head, .. pair.PublicKeyProtobuf[4..], .. tail], out _));
        head[^1] = head[^1] == 0x20 ? (byte)0x40 : head[^1];
        Assert.False(KeyPair.TryParsePrivate([.. head, .. pair.PrivateKeyProtobuf()[4..], .. tail], out _));
    }

    [Fact]
    public void A_private_key_whose_public_key_is_another_is_refused()
    {
        byte[] key = KeyPair.FromSeed(new byte[32]).PrivateKeyProtobuf();
        for (int length = 0; length < key.Length; length++)
        {
            Assert.False(KeyPair.TryParsePrivate(key.AsSpan(0, length), out _));
        }

        key[^1] ^= 1;
        Assert.False(KeyPair.TryParsePrivate(key, out _));
    }

    [Fact]
    public void An_RSA_key_that_is_too_short_is_refused()
    {
        using var rsa = RSA.Create(1024);
        byte[] message = [1, 2, 3];
        PeerKey key = Key(0, rsa.ExportSubjectPublicKeyInfo());
        Assert.False(key.Verify(message, rsa.SignData(message, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)));
    }

    [Fact]
    public void An_ECDSA_key_on_another_curve_is_refused()
    {
        using var ecdsa = ECDsa.Create(ECCurve.CreateFromValue("1.3.132.0.10"));
        byte[] message = [1, 2, 3];
        PeerKey key = Key(3, ecdsa.ExportSubjectPublicKeyInfo());
        Assert.False(key.Verify(message, ecdsa.SignData(message, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)));
    }

    [Fact]
    public void Points_that_are_not_on_the_curve_are_refused()
    {
        byte[] x = new byte[33];
        x[0] = 2;
        x[32] = 5;
        Assert.False(Secp256k1Point.TryParse(x, out _));
        x.AsSpan(1).Fill(0xff);
        Assert.False(Secp256k1Point.TryParse(x, out _));
        x[0] = 4;
        Assert.False(Secp256k1Point.TryParse(x, out _));
    }

    private static PeerKey Key(byte kind, byte[] data)
    {
        Span<byte> length = stackalloc byte[Varint.MaxLength];
        int n = Varint.Write(length, (ulong)data.Length);
        Assert.True(PeerKey.TryParse([0x08, kind, 0x12, .. length[..n], .. data], out PeerKey? key));
        return key;
    }
}
