using System.Diagnostics.CodeAnalysis;
using Google.Protobuf;
using Ipcs.Multiformats;
using NSec.Cryptography;

namespace Ipcs.Libp2p.Identity;

/// <summary>A peer's Ed25519 key. Wire format: Keys.proto.</summary>
public sealed class KeyPair
{
    private const int KeyLength = 32;

    private readonly Key _key;
    private readonly byte[] _seed;
    private readonly byte[] _public;

    private KeyPair(byte[] seed)
    {
        _seed = seed;
        _key = Key.Import(SignatureAlgorithm.Ed25519, seed, KeyBlobFormat.RawPrivateKey);
        _public = _key.PublicKey.Export(KeyBlobFormat.RawPublicKey);
        PublicKeyProtobuf = new Proto.PublicKey { Type = Proto.KeyType.Ed25519, Data = ByteString.CopyFrom(_public) }.ToByteArray();
        PeerId = PeerId.FromPublicKey(PublicKeyProtobuf);
    }

    /// <summary>The protobuf of the public key, of which the peer id is made.</summary>
    public byte[] PublicKeyProtobuf { get; }

    /// <summary>The peer id of the key.</summary>
    public PeerId PeerId { get; }

    /// <summary>Generates a key.</summary>
    public static KeyPair Generate() => new(System.Security.Cryptography.RandomNumberGenerator.GetBytes(KeyLength));

    /// <summary>Creates the key of a 32-byte seed.</summary>
    public static KeyPair FromSeed(ReadOnlySpan<byte> seed) =>
        seed.Length == KeyLength ? new KeyPair(seed.ToArray()) : throw new ArgumentException("an Ed25519 seed has 32 bytes", nameof(seed));

    /// <summary>Parses the protobuf of a private key, which has to be as <see cref="PrivateKeyProtobuf"/> returns it.</summary>
    public static bool TryParsePrivate(ReadOnlySpan<byte> protobuf, [NotNullWhen(true)] out KeyPair? key)
    {
        key = null;
        if (!Proto.PrivateKey.Parser.TryParse(protobuf, maxFields: 2, [], out Proto.PrivateKey? parsed)
            || parsed.Data.Length != 2 * KeyLength)
        {
            return false;
        }

        var made = new KeyPair(parsed.Data.Span[..KeyLength].ToArray());
        if (!made.PrivateKeyProtobuf().AsSpan().SequenceEqual(protobuf))
        {
            return false;
        }

        key = made;
        return true;
    }

    /// <summary>
    /// Loads the key from a file that holds the protobuf of the private key, or creates the file with a new key and mode 0600.
    /// </summary>
    /// <exception cref="IOException">The file is damaged, or can't be read or written.</exception>
    public static KeyPair LoadOrCreate(string path)
    {
        if (File.Exists(path))
        {
            return TryParsePrivate(File.ReadAllBytes(path), out KeyPair? loaded)
                ? loaded
                : throw new IOException($"{path} is not a libp2p Ed25519 private key");
        }

        KeyPair key = Generate();
        SecretFile.Create(path, key.PrivateKeyProtobuf());
        return key;
    }

    /// <summary>The protobuf of the private key.</summary>
    public byte[] PrivateKeyProtobuf() =>
        new Proto.PrivateKey { Type = Proto.KeyType.Ed25519, Data = ByteString.CopyFrom([.. _seed, .. _public]) }.ToByteArray();

    /// <summary>Signs a message.</summary>
    public byte[] Sign(ReadOnlySpan<byte> message) => SignatureAlgorithm.Ed25519.Sign(_key, message);

    /// <summary>Checks a signature with a public key of any type that libp2p has, given as its protobuf.</summary>
    public static bool Verify(ReadOnlySpan<byte> publicKeyProtobuf, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) =>
        PeerKey.TryParse(publicKeyProtobuf, out PeerKey? key) && key.Verify(message, signature);
}
