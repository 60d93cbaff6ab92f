using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Ipcs.Multiformats;
using NSec.Cryptography;
using HashName = System.Security.Cryptography.HashAlgorithmName;

namespace Ipcs.Libp2p.Identity;

/// <summary>
/// A peer's public key, of any of the four types. Spec: https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md, section Keys.
/// <code>PublicKey { 1: KeyType (0 RSA, 1 Ed25519, 2 Secp256k1, 3 ECDSA), 2: Data }</code>
/// Stored as bytes, because a key is used only once or twice, when its peer connects. Immutable.
/// </summary>
public sealed class PeerKey
{
    /// <summary>The longest protobuf accepted, in bytes: an RSA key of 8192 bits has 1062.</summary>
    private const int MaxLength = 2048;

    /// <summary>Shorter RSA keys can be forged.</summary>
    private const int MinRsaBits = 2048;

    /// <summary>Longer RSA keys only cost the verifier time.</summary>
    private const int MaxRsaBits = 8192;

    private readonly KeyKind _kind;
    private readonly byte[] _data;

    private PeerKey(KeyKind kind, byte[] data, ReadOnlySpan<byte> protobuf)
    {
        _kind = kind;
        _data = data;
        PeerId = PeerId.FromPublicKey(protobuf);
    }

    private enum KeyKind
    {
        Rsa = 0,
        Ed25519 = 1,
        Secp256k1 = 2,
        Ecdsa = 3,
    }

    /// <summary>The peer id of the key.</summary>
    public PeerId PeerId { get; }

    /// <summary>
    /// Parses the protobuf: both fields once, in order, and nothing else, because the peer id is the hash of these bytes.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> protobuf, [NotNullWhen(true)] out PeerKey? key)
    {
        key = null;
        if (protobuf.Length is < 4 or > MaxLength || protobuf[0] != 0x08 || protobuf[1] > (byte)KeyKind.Ecdsa || protobuf[2] != 0x12
            || Varint.TryRead(protobuf[3..], out ulong length, out int n) != OperationStatus.Done
            || length != (ulong)(protobuf.Length - 3 - n))
        {
            return false;
        }

        key = new PeerKey((KeyKind)protobuf[1], protobuf[(3 + n)..].ToArray(), protobuf);
        return true;
    }

    /// <summary>Checks a signature; false also for an invalid key.</summary>
    public bool Verify(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        try
        {
            return _kind switch
            {
                KeyKind.Ed25519 => PublicKey.TryImport(SignatureAlgorithm.Ed25519, _data, KeyBlobFormat.RawPublicKey, out PublicKey? key)
                    && SignatureAlgorithm.Ed25519.Verify(key!, message, signature),
                KeyKind.Rsa => VerifyRsa(message, signature),
                KeyKind.Secp256k1 => VerifySecp256k1(message, signature),
                _ => VerifyEcdsa(message, signature),
            };
        }
        catch (Exception e) when (e is CryptographicException or PlatformNotSupportedException or ArgumentException)
        {
            // .NET throws these for invalid or unknown keys and for malformed signatures.
            return false;
        }
    }

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
