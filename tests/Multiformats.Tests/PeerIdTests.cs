using System.Security.Cryptography;
using System.Text.Json;
using Ipcs.TestKit;

namespace Ipcs.Multiformats.Tests;

public sealed class PeerIdTests
{
    private static readonly JsonElement Golden = Vectors.Load("peerid-vectors.json");

    [Fact]
    public void Keys_have_the_ids_of_the_vectors()
    {
        foreach (JsonElement vector in Golden.GetProperty("keys").EnumerateArray())
        {
            byte[] key = vector.Hex("publicKeyProtobufHex")!;
            PeerId id = PeerId.FromPublicKey(key);
            Assert.Equal(vector.Text("peerId"), id.ToString());
            Assert.Equal(vector.Hex("peerIdMultihashHex"), id.ToArray());
            Assert.Equal(vector.Hex("peerIdCidBytesHex"), id.ToCid().ToArray());
            Assert.Equal(vector.Text("peerIdCidV1Base32"), id.ToCid().ToString());
            Assert.Equal(vector.Text("peerIdCidV1Base36"), id.ToCid().ToString(MultibaseEncoding.Base36));
            Assert.Equal(vector.Hex("kadIdHex"), SHA256.HashData(id.ToArray()));
            Assert.True(id.TryGetPublicKey(out byte[]? inlined));
            Assert.Equal(key, inlined);
            Assert.Equal(id, PeerId.Parse(vector.Text("peerId")!));
            Assert.Equal(id, PeerId.Parse(vector.Text("peerIdCidV1Base32")!));
            Assert.Equal(id, PeerId.Parse(vector.Text("peerIdCidV1Base36")!));
            Assert.True(PeerId.TryParse(vector.Hex("peerIdMultihashHex"), out PeerId parsed));
            Assert.Equal(id, parsed);
        }
    }

    [Fact]
    public void Peer_id_texts_are_parsed()
    {
        foreach (JsonElement vector in Golden.GetProperty("parse").EnumerateArray())
        {
            PeerId id = PeerId.Parse(vector.Text("text")!);
            Assert.Equal(vector.Text("peerId"), id.ToString());
            Assert.Equal(vector.Hex("multihashHex"), id.ToArray());
            Assert.Equal(vector.Text("cidV1Base32"), id.ToCid().ToString());
            Assert.Equal(vector.Text("cidV1Base36"), id.ToCid().ToString(MultibaseEncoding.Base36));
            Assert.Equal(vector.Text("type") == "Ed25519", id.TryGetPublicKey(out _));
        }
    }

    [Fact]
    public void Invalid_texts_are_refused()
    {
        foreach (JsonElement vector in Golden.GetProperty("invalid").EnumerateArray())
        {
            Assert.False(PeerId.TryParse(vector.Text("text"), out _), vector.GetRawText());
        }
    }

    [Fact]
    public void Long_keys_are_hashed()
    {
        PeerId id = PeerId.FromPublicKey(new byte[43]);
        Assert.Equal(Multihash.Sha2_256, id.Hash.Code);
        Assert.False(id.TryGetPublicKey(out _));
        Assert.False(PeerId.TryParse(new Multihash(Multihash.Identity, new byte[43]).ToArray(), out _));
    }
}
