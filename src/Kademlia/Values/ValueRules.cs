using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Values;

/// <summary>
/// Decides which values may be stored: only <c>/pk/PEER</c>, a public key that its hash, the peer ID, verifies.
/// <c>/ipns/</c> and everything else is refused: content stores do not read it, and storing it would only spend memory on unknown peers.
/// Spec: https://github.com/libp2p/specs/blob/master/kad-dht/README.md, section Entry validation.
/// </summary>
internal static class ValueRules
{
    private static ReadOnlySpan<byte> PublicKeys => "/pk/"u8;

    /// <summary>True when the value is valid for its key.</summary>
    public static bool IsValid(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) =>
        key.StartsWith(PublicKeys)
        && PeerId.TryParse(key[PublicKeys.Length..], out PeerId peer)
        && value.Length > 0
        && (PeerId.FromPublicKey(value) == peer || HashOf(value, peer));

    /// <summary>The key under which the public key of a peer is stored.</summary>
    public static byte[] PublicKeyOf(in PeerId peer) => [.. PublicKeys, .. peer.ToArray()];

    // The ID of an Ed25519 key may also be the hash of the key instead of the key itself.
    private static bool HashOf(ReadOnlySpan<byte> value, in PeerId peer)
    {
        Multihash hash = peer.Hash;
        return hash.Code == Multihash.Sha2_256 && hash.Verifies(value);
    }
}
