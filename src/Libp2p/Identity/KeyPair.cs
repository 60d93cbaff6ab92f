using System.Diagnostics.CodeAnalysis;
using Ipcs.Multiformats;
using NSec.Cryptography;

namespace Ipcs.Libp2p.Identity;

/// <summary>
/// A peer's Ed25519 key. Spec: https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md, section Keys.
/// <code>PublicKey { 1: KeyType, 2: Data }   PrivateKey { 1: KeyType, 2: Data = seed ++ public key }</code>
/// </summary>
public sealed class KeyPair
{
    private const int KeyLength = 32;
    private static readonly byte[] PublicHead = [0x08, 0x01, 0x12, KeyLength];
    private static readonly byte[] PrivateHead = [0x08, 0x01, 0x12, 2 * KeyLength];

    private readonly Key _key;
    private readonly byte[] _seed;

    private KeyPair(byte[] seed)
    {
        _seed = seed;
        _key = Key.Import(SignatureAlgorithm.Ed25519, seed, KeyBlobFormat.RawPrivateKey);
        PublicKeyProtobuf = [.. PublicHead, .. _key.PublicKey.Export(KeyBlobFormat.RawPublicKey)];
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

    /// <summary>Parses the protobuf of a private key.</summary>
    public static bool TryParsePrivate(ReadOnlySpan<byte> protobuf, [NotNullWhen(true)] out KeyPair? key)
    {
        key = null;
        if (protobuf.Length != PrivateHead.Length + (2 * KeyLength) || !protobuf.StartsWith(PrivateHead))
        {
            return false;
        }

        var made = new KeyPair(protobuf.Slice(PrivateHead.Length, KeyLength).ToArray());
        if (!made.PublicKeyProtobuf.AsSpan(PublicHead.Length).SequenceEqual(protobuf[(PrivateHead.Length + KeyLength)..]))
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
        string partial = path + ".new";
        using (var file = new FileStream(partial, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        {
            file.Write(key.PrivateKeyProtobuf());
            file.Flush(flushToDisk: true);
        }

        File.Move(partial, path);
        return key;
    }

    /// <summary>The protobuf of the private key.</summary>
    public byte[] PrivateKeyProtobuf() => [.. PrivateHead, .. _seed, .. PublicKeyProtobuf.AsSpan(PublicHead.Length)];

    /// <summary>Signs a message.</summary>
    public byte[] Sign(ReadOnlySpan<byte> message) => SignatureAlgorithm.Ed25519.Sign(_key, message);

    /// <summary>Checks a signature with a public key of any type that libp2p has, given as its protobuf.</summary>
    public static bool Verify(ReadOnlySpan<byte> publicKeyProtobuf, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) =>
        PeerKey.TryParse(publicKeyProtobuf, out PeerKey? key) && key.Verify(message, signature);
}
