using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Google.Protobuf;
using Ipcs.Multiformats;
using NSec.Cryptography;
using HashName = System.Security.Cryptography.HashAlgorithmName;

namespace Ipcs.Libp2p.Identity;

/// <summary>
/// A peer's public key, of any of the four types. Wire format: Keys.proto. Stored as bytes, because a key is used only once or twice, when
/// its peer connects. Immutable.
/// </summary>
public sealed class PeerKey
{
    /// <summary>The longest protobuf accepted, in bytes: an RSA key of 8192 bits has 1062.</summary>
    private const int MaxLength = 2048;

    /// <summary>Shorter RSA keys can be forged.</summary>
    private const int MinRsaBits = 2048;

    /// <summary>Longer RSA keys only cost the verifier time.</summary>
    private const int MaxRsaBits = 8192;

    private readonly Proto.KeyType _type;
    private readonly byte[] _data;

    private PeerKey(Proto.KeyType type, byte[] data, ReadOnlySpan<byte> protobuf)
    {
        _type = type;
        _data = data;
        PeerId = PeerId.FromPublicKey(protobuf);
    }

    /// <summary>The peer id of the key.</summary>
    public PeerId PeerId { get; }

    /// <summary>
    /// Parses the protobuf: both fields once, in order, and nothing else, because the peer id is the hash of these bytes.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> protobuf, [NotNullWhen(true)] out PeerKey? key)
    {
        key = null;
        if (protobuf.Length > MaxLength
            || !Proto.PublicKey.Parser.TryParse(protobuf, maxFields: 2, [], out Proto.PublicKey? parsed)
            || !parsed.HasType || parsed.Type is < Proto.KeyType.Rsa or > Proto.KeyType.Ecdsa || !parsed.HasData
            || !parsed.ToByteArray().AsSpan().SequenceEqual(protobuf))
        {
            return false;
        }

        key = new PeerKey(parsed.Type, parsed.Data.ToByteArray(), protobuf);
        return true;
    }

    /// <summary>Checks a signature; false also for an invalid key.</summary>
    public bool Verify(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        try
        {
            return _type switch
            {
                Proto.KeyType.Ed25519 => VerifyEd25519(message, signature),
                Proto.KeyType.Rsa => VerifyRsa(message, signature),
                Proto.KeyType.Secp256K1 => VerifySecp256k1(message, signature),
                _ => VerifyEcdsa(message, signature),
            };
        }
        catch (Exception e) when (e is CryptographicException or PlatformNotSupportedException or ArgumentException)
        {
            // .NET throws these for invalid or unknown keys and for malformed signatures.
            return false;
        }
    }

    private bool VerifyEd25519(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) =>
        PublicKey.TryImport(SignatureAlgorithm.Ed25519, _data, KeyBlobFormat.RawPublicKey, out PublicKey? key)
        && SignatureAlgorithm.Ed25519.Verify(key!, message, signature);

    private bool VerifyRsa(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        using var rsa = RSA.Create();
        rsa.ImportSubjectPublicKeyInfo(_data, out int read);
        return read == _data.Length && rsa.KeySize is >= MinRsaBits and <= MaxRsaBits
            && rsa.VerifyData(message, signature, HashName.SHA256, RSASignaturePadding.Pkcs1);
    }

    private bool VerifySecp256k1(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        if (!Secp256k1Point.TryParse(_data, out ECParameters parameters))
        {
            return false;
        }

        using var ecdsa = ECDsa.Create(parameters);
        return ecdsa.VerifyData(message, signature, HashName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
    }

    private bool VerifyEcdsa(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        using var ecdsa = ECDsa.Create();
        ecdsa.ImportSubjectPublicKeyInfo(_data, out int read);

        // Only named curves: with curve parameters of its choice a peer can forge signatures.
        return read == _data.Length
            && ecdsa.ExportParameters(includePrivateParameters: false).Curve is
                { IsNamed: true, Oid.Value: "1.2.840.10045.3.1.7" or "1.3.132.0.34" or "1.3.132.0.35" }
            && ecdsa.VerifyData(message, signature, HashName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
    }
}
