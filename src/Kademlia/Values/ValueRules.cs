using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Values;

/// <summary>
/// Which values may be stored: only those that prove themselves. <c>/pk/PEER</c> is a public key whose hash is the peer's id.
/// <c>/ipns/</c> and everything else is refused: nobody in a fleet of content stores asks for it, and what nobody asks for is only room for strangers.
/// Spec: https://github.com/libp2p/specs/blob/master/kad-dht/README.md, section Entry validation.
/// </summary>
internal static class ValueRules
{
    private static ReadOnlySpan<byte> PublicKeys => "/pk/"u8;

    /// <summary>True when the value is what its key says.</summary>
    public static bool IsValid(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) =>
        key.StartsWith(PublicKeys)
        && PeerId.TryParse(key[PublicKeys.Length..], out PeerId peer)
        && value.Length > 0
        && (PeerId.FromPublicKey(value) == peer || HashOf(value, peer));

    /// <summary>The key of a peer's public key.</summary>
    public static byte[] PublicKeyOf(in PeerId peer) => [.. PublicKeys, .. peer.ToArray()];

    // An Ed25519 key's id may also be written as a plain hash.
    private static bool HashOf(ReadOnlySpan<byte> value, in PeerId peer)
    {
        Multihash hash = peer.Hash;
        return hash.Code == Multihash.Sha2_256 && hash.Verifies(value);
    }
}
