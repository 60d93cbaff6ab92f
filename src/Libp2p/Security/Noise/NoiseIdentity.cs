using Google.Protobuf;
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
        Payload = new Proto.NoiseHandshakePayload
        {
            IdentityKey = ByteString.CopyFrom(identity.PublicKeyProtobuf),
            IdentitySig = ByteString.CopyFrom(signature),
        }.ToByteArray();
    }

    /// <summary>The static key.</summary>
    internal X25519 StaticKey { get; }

    /// <summary>The encoded <see cref="Proto.NoiseHandshakePayload"/>.</summary>
    internal byte[] Payload { get; }

    /// <inheritdoc/>
    public void Dispose() => StaticKey.Dispose();
}
