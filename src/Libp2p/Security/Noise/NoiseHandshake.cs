using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Ipcs.Libp2p.Identity;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Security.Noise;

/// <summary>
/// Noise_XX_25519_ChaChaPoly_SHA256 as libp2p uses it, without I/O: messages in, messages out.
/// Specs: https://noiseprotocol.org/noise.html section 5; https://github.com/libp2p/specs/blob/master/noise/README.md.
/// <code>
/// -> e
/// &lt;- e, ee, s, es     payload: NoiseHandshakePayload (Payload.proto)
/// -> s, se            payload: NoiseHandshakePayload
/// </code>
/// Not thread-safe. Owns its ephemeral key.
/// </summary>
public sealed class NoiseHandshake : IDisposable
{
    /// <summary>
    /// The longest handshake message accepted, in bytes: it has room for an RSA key of 8192 bits, its signature and some extensions.
    /// </summary>
    public const int MaxMessage = 8192;

    /// <summary>The most fields of a payload: two are known.</summary>
    private const int MaxFields = 64;

    private const int DhLength = X25519.Length;
    private const int TagLength = 16;
    private static readonly byte[] ProtocolName = Encoding.ASCII.GetBytes("Noise_XX_25519_ChaChaPoly_SHA256");

    private readonly NoiseIdentity _identity;
    private readonly X25519 _ephemeral;
    private byte[] _chainingKey = ProtocolName;
    private byte[] _hash = ProtocolName;
    private byte[]? _key;
    private ulong _nonce;
    private byte[] _remoteEphemeral = [];
    private byte[] _remoteStatic = [];

    /// <summary>Creates a handshake with a new ephemeral key.</summary>
    public NoiseHandshake(NoiseIdentity identity)
        : this(identity, RandomNumberGenerator.GetBytes(DhLength))
    {
    }

    /// <summary>Creates a handshake with a given ephemeral key, for golden vectors.</summary>
    public NoiseHandshake(NoiseIdentity identity, byte[] ephemeralPrivate)
    {
        _identity = identity;
        _ephemeral = new X25519(ephemeralPrivate);
        MixHash([]);
    }

    /// <summary>The proved identity of the peer; the default value until its payload was read.</summary>
    public PeerId RemotePeer { get; private set; }

    /// <summary>The handshake hash.</summary>
    public ReadOnlySpan<byte> HandshakeHash => _hash;

    /// <summary>Initiator, first message.</summary>
    public byte[] WriteA()
    {
        MixHash(_ephemeral.PublicKey);
        MixHash([]);
        return _ephemeral.PublicKey;
    }

    /// <summary>Responder, first message.</summary>
    public void ReadA(ReadOnlySpan<byte> message)
    {
        if (message.Length < DhLength)
        {
            throw new NoiseException("the first handshake message is too short");
        }

        _remoteEphemeral = message[..DhLength].ToArray();
        MixHash(_remoteEphemeral);
        MixHash(message[DhLength..]);
    }

    /// <summary>Responder, second message. <paramref name="payload"/> replaces the host's own, for golden vectors.</summary>
    public byte[] WriteB(byte[]? payload = null)
    {
        MixHash(_ephemeral.PublicKey);
        MixKey(_ephemeral, _remoteEphemeral);
        byte[] s = EncryptAndHash(_identity.StaticKey.PublicKey);
        MixKey(_identity.StaticKey, _remoteEphemeral);
        return [.. _ephemeral.PublicKey, .. s, .. EncryptAndHash(payload ?? _identity.Payload)];
    }

    /// <summary>Initiator, second message: checks the responder's identity.</summary>
    public void ReadB(ReadOnlySpan<byte> message)
    {
        if (message.Length < DhLength + DhLength + TagLength + TagLength)
        {
            throw new NoiseException("the second handshake message is too short");
        }

        _remoteEphemeral = message[..DhLength].ToArray();
        MixHash(_remoteEphemeral);
        MixKey(_ephemeral, _remoteEphemeral);
        message = message[DhLength..];
        _remoteStatic = DecryptAndHash(message[..(DhLength + TagLength)]);
        MixKey(_ephemeral, _remoteStatic);
        ReadPayload(DecryptAndHash(message[(DhLength + TagLength)..]));
    }

    /// <summary>Initiator, third message.</summary>
    public byte[] WriteC(byte[]? payload = null)
    {
        byte[] s = EncryptAndHash(_identity.StaticKey.PublicKey);
        MixKey(_identity.StaticKey, _remoteEphemeral);
        return [.. s, .. EncryptAndHash(payload ?? _identity.Payload)];
    }

    /// <summary>Responder, third message: checks the initiator's identity.</summary>
    public void ReadC(ReadOnlySpan<byte> message)
    {
        if (message.Length < DhLength + TagLength + TagLength)
        {
            throw new NoiseException("the third handshake message is too short");
        }

        _remoteStatic = DecryptAndHash(message[..(DhLength + TagLength)]);
        MixKey(_ephemeral, _remoteStatic);
        ReadPayload(DecryptAndHash(message[(DhLength + TagLength)..]));
    }

    /// <summary>The keys of the two directions, after the last message.</summary>
    public (byte[] InitiatorToResponder, byte[] ResponderToInitiator) Split()
    {
        byte[] output = HKDF.DeriveKey(HashAlgorithmName.SHA256, [], 64, _chainingKey, []);
        return (output[..32], output[32..]);
    }

    /// <inheritdoc/>
    public void Dispose() => _ephemeral.Dispose();

    /// <summary>Writes the nonce of a counter: 4 zero bytes, 8 little-endian ones.</summary>
    internal static void WriteNonce(Span<byte> nonce, ulong counter)
    {
        nonce[..4].Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(nonce[4..], counter);
    }

    private void MixHash(ReadOnlySpan<byte> data) => _hash = SHA256.HashData([.. _hash, .. data]);

    private void MixKey(X25519 key, byte[] publicKey)
    {
        Span<byte> secret = stackalloc byte[X25519.Length];
        if (!key.TryAgree(publicKey, secret))
        {
            throw new NoiseException("the peer's X25519 key is invalid");
        }

        Span<byte> output = stackalloc byte[64];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, output, _chainingKey, []);
        CryptographicOperations.ZeroMemory(secret);
        _chainingKey = output[..32].ToArray();
        _key = output[32..].ToArray();
        _nonce = 0;
    }

    private byte[] EncryptAndHash(ReadOnlySpan<byte> plain)
    {
        byte[] output = new byte[plain.Length + TagLength];
        Span<byte> nonce = stackalloc byte[12];
        WriteNonce(nonce, _nonce++);
        using var cipher = new ChaCha20Poly1305(_key!);
        cipher.Encrypt(nonce, plain, output.AsSpan(0, plain.Length), output.AsSpan(plain.Length), _hash);
        MixHash(output);
        return output;
    }

    private byte[] DecryptAndHash(ReadOnlySpan<byte> sealedBytes)
    {
        byte[] plain = new byte[sealedBytes.Length - TagLength];
        Span<byte> nonce = stackalloc byte[12];
        WriteNonce(nonce, _nonce++);
        using var cipher = new ChaCha20Poly1305(_key!);
        try
        {
            cipher.Decrypt(nonce, sealedBytes[..plain.Length], sealedBytes[plain.Length..], plain, _hash);
        }
        catch (AuthenticationTagMismatchException)
        {
            throw new NoiseException("a handshake message fails authentication");
        }

        MixHash(sealedBytes);
        return plain;
    }

    private void ReadPayload(ReadOnlySpan<byte> payload)
    {
        if (!Proto.NoiseHandshakePayload.Parser.TryParse(payload, MaxFields, [], out Proto.NoiseHandshakePayload? parsed))
        {
            throw new NoiseException("the handshake payload is not a protobuf");
        }

        if (!parsed.HasIdentitySig || !PeerKey.TryParse(parsed.IdentityKey.Span, out PeerKey? identity))
        {
            throw new NoiseException("the handshake payload has no public key of a known type");
        }

        if (!identity.Verify([.. NoiseIdentity.SignaturePrefix, .. _remoteStatic], parsed.IdentitySig.Span))
        {
            throw new NoiseException("the signature of the handshake payload is invalid");
        }

        RemotePeer = identity.PeerId;
    }
}
