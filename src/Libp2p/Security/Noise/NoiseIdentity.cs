using Ipcs.Libp2p.Identity;

namespace Ipcs.Libp2p.Security.Noise;

/// <summary>
/// What a host uses in every handshake: its static X25519 key, and the payload in which the host's identity key signs that key.
/// Created once, so that a handshake needs no signing. Owns the static key.
/// </summary>
public sealed class NoiseIdentity : IDisposable
{
    internal static readonly byte[] SignaturePrefix = "noise-libp2p-static-key:"u8.ToArray();

    /// <summary>Creates the identity with a new static key.</summary>
    public NoiseIdentity(KeyPair identity)
        : this(identity, System.Security.Cryptography.RandomNumberGenerator.GetBytes(32))
    {
    }

    /// <summary>Creates the identity with a given static key, for golden vectors.</summary>
    public NoiseIdentity(KeyPair identity, byte[] staticPrivate)
    {
        StaticKey = new X25519(staticPrivate);
        byte[] signature = identity.Sign([.. SignaturePrefix, .. StaticKey.PublicKey]);
        byte[] publicKey = identity.PublicKeyProtobuf;
        Payload = [0x0a, (byte)publicKey.Length, .. publicKey, 0x12, (byte)signature.Length, .. signature];
    }

    /// <summary>The static key.</summary>
    internal X25519 StaticKey { get; }

    /// <summary>NoiseHandshakePayload { 1: identity_key, 2: identity_sig }.</summary>
    internal byte[] Payload { get; }

    /// <inheritdoc/>
    public void Dispose() => StaticKey.Dispose();
}
