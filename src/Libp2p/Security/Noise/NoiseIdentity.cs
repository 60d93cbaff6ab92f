using Ipcs.Libp2p.Identity;

namespace Ipcs.Libp2p.Security.Noise;

/// <summary>
/// What a host brings to every handshake: its static X25519 key, and the payload that proves with the host's own key that both are one.
/// Made once, since a handshake then needs no signing. Owns the key.
/// </summary>
public sealed class NoiseIdentity : IDisposable
{
    internal static readonly byte[] SignaturePrefix = "noise-libp2p-static-key:"u8.ToArray();

    /// <summary>With a fresh static key.</summary>
    public NoiseIdentity(KeyPair identity)
        : this(identity, System.Security.Cryptography.RandomNumberGenerator.GetBytes(32))
    {
    }

    /// <summary>With a given static key, as golden vectors need.</summary>
    public NoiseIdentity(KeyPair identity, byte[] staticPrivate)
    {
        StaticKey = new X25519(staticPrivate);
        byte[] signature = identity.Sign([.. SignaturePrefix, .. StaticKey.PublicKey]);
        Payload = [0x0a, (byte)identity.PublicKeyProtobuf.Length, .. identity.PublicKeyProtobuf, 0x12, (byte)signature.Length, .. signature];
    }

    /// <summary>The static key.</summary>
    internal X25519 StaticKey { get; }

    /// <summary>NoiseHandshakePayload { 1: identity_key, 2: identity_sig }.</summary>
    internal byte[] Payload { get; }

    /// <inheritdoc/>
    public void Dispose() => StaticKey.Dispose();
}
