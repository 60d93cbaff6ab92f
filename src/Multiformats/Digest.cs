using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Ipcs.Multiformats;

/// <summary>
/// An OCI content digest, <c>algorithm:hex</c>, stored as a multihash.
/// Spec: https://github.com/opencontainers/image-spec/blob/main/descriptor.md, section Digests.
/// </summary>
public readonly struct Digest : IEquatable<Digest>
{
    private static readonly SearchValues<char> HexAlphabet = SearchValues.Create("0123456789abcdef");

    /// <summary>Creates a digest from a hash of one of the registered algorithms.</summary>
    /// <exception cref="ArgumentException">The hash is not SHA2-256, SHA2-384 or SHA2-512.</exception>
    public Digest(in Multihash hash)
    {
        if (AlgorithmName(hash.Code) is null)
        {
            throw new ArgumentException($"hash code 0x{hash.Code:x} is not an OCI digest algorithm", nameof(hash));
        }

        Hash = hash;
    }

    /// <summary>The digest as a multihash. For sha256 it is also the hash of the raw CID of the same bytes.</summary>
    public Multihash Hash { get; }

    /// <summary><c>sha256</c>, <c>sha384</c> or <c>sha512</c>.</summary>
    public string Algorithm => AlgorithmName(Hash.Code) ?? "";

    /// <summary>True for the default value, which is not a digest.</summary>
    public bool IsDefault => Hash.IsDefault;

    /// <summary>The sha256 digest of <paramref name="data"/>.</summary>
    public static Digest Sha256(ReadOnlySpan<byte> data) => new(Multihash.Sha256(data));

    /// <summary>Parses <c>sha256:…</c>, <c>sha384:…</c> or <c>sha512:…</c> with lower-case hex of the right length.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out Digest value)
    {
        value = default;
        int colon = text?.IndexOf(':', StringComparison.Ordinal) ?? -1;
        if (colon <= 0)
        {
            return false;
        }

        (uint code, int bytes) = text.AsSpan(0, colon) switch
        {
            "sha256" => (Multihash.Sha2_256, 32),
            "sha384" => (Multihash.Sha2_384, 48),
            "sha512" => (Multihash.Sha2_512, 64),
            _ => (0u, 0),
        };
        ReadOnlySpan<char> hex = text.AsSpan(colon + 1);
        if (bytes == 0 || hex.Length != 2 * bytes || hex.ContainsAnyExcept(HexAlphabet))
        {
            return false;
        }

        Span<byte> digest = stackalloc byte[64];
        Convert.FromHexString(hex, digest, out _, out int decoded);
        value = new Digest(new Multihash(code, digest[..decoded]));
        return true;
    }

    /// <summary>Parses the text form.</summary>
    /// <exception cref="FormatException">The text is not a digest.</exception>
    public static Digest Parse(string text) =>
        TryParse(text, out Digest value) ? value : throw new FormatException($"'{text}' is not a digest");

    /// <summary>The text form, <c>algorithm:hex</c>.</summary>
    public override string ToString()
    {
        Multihash hash = Hash;
        return IsDefault ? "" : $"{Algorithm}:{Convert.ToHexStringLower(hash.Digest)}";
    }

    /// <inheritdoc/>
    public bool Equals(Digest other) => Hash.Equals(other.Hash);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Digest other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Hash.GetHashCode();

    /// <summary>Equality by algorithm and bytes.</summary>
    public static bool operator ==(Digest left, Digest right) => left.Equals(right);

    /// <summary>Inequality by algorithm and bytes.</summary>
    public static bool operator !=(Digest left, Digest right) => !left.Equals(right);

    private static string? AlgorithmName(uint code) => code switch
    {
        Multihash.Sha2_256 => "sha256",
        Multihash.Sha2_384 => "sha384",
        Multihash.Sha2_512 => "sha512",
        _ => null,
    };
}
