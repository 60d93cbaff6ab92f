using System.Diagnostics.CodeAnalysis;

namespace Ipcs.Multiformats;

/// <summary>
/// The id of a libp2p peer: the multihash of its public key's protobuf, the identity hash for a protobuf of at most 42 bytes.
/// Spec: https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md.
/// </summary>
public readonly struct PeerId : IEquatable<PeerId>
{
    /// <summary>The longest protobuf in bytes that the id contains as an identity hash.</summary>
    public const int MaxInlineKeyLength = 42;

    private PeerId(in Multihash hash) => Hash = hash;

    /// <summary>The id as a multihash.</summary>
    public Multihash Hash { get; }

    /// <summary>True for the default value, which is not a peer id.</summary>
    public bool IsDefault => Hash.IsDefault;

    /// <summary>Creates the id of a public key, given as its protobuf (peer-ids spec, section Keys).</summary>
    public static PeerId FromPublicKey(ReadOnlySpan<byte> publicKeyProtobuf) => publicKeyProtobuf.Length <= MaxInlineKeyLength
        ? new PeerId(new Multihash(Multihash.Identity, publicKeyProtobuf))
        : new PeerId(Multihash.Sha256(publicKeyProtobuf));

    /// <summary>Gets the protobuf of the public key, when the id contains it.</summary>
    public bool TryGetPublicKey([NotNullWhen(true)] out byte[]? publicKeyProtobuf)
    {
        Multihash hash = Hash;
        publicKeyProtobuf = hash.Code == Multihash.Identity && hash.DigestLength > 0 ? hash.Digest.ToArray() : null;
        return publicKeyProtobuf is not null;
    }

    /// <summary>Parses the binary form (a multihash: sha2-256, or identity of at most 42 bytes).</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out PeerId value)
    {
        if (Multihash.TryParse(bytes, out Multihash hash) && IsLegal(hash))
        {
            value = new PeerId(hash);
            return true;
        }

        value = default;
        return false;
    }

    /// <summary>Parses base58btc of the multihash (<c>12D3…</c>, <c>Qm…</c>) or a CID with the libp2p-key codec.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out PeerId value)
    {
        value = default;
        if (string.IsNullOrEmpty(text) || text.Length > Cid.MaxTextLength)
        {
            return false;
        }

        if (text.StartsWith('1') || text.StartsWith("Qm", StringComparison.Ordinal))
        {
            return Multibase.TryDecodeBase58(text, out byte[]? bytes) && TryParse(bytes, out value);
        }

        if (Cid.TryParse(text, out Cid cid) && cid.Codec == Multicodec.Libp2pKey && IsLegal(cid.Hash))
        {
            value = new PeerId(cid.Hash);
            return true;
        }

        return false;
    }

    /// <summary>Parses the text form.</summary>
    /// <exception cref="FormatException">The text is not a peer id.</exception>
    public static PeerId Parse(string text) =>
        TryParse(text, out PeerId value) ? value : throw new FormatException($"'{text}' is not a peer id");

    /// <summary>The id as a version 1 CID with the libp2p-key codec.</summary>
    public Cid ToCid() => Cid.V1(Multicodec.Libp2pKey, Hash);

    /// <summary>The binary form in a new array.</summary>
    public byte[] ToArray() => Hash.ToArray();

    /// <summary>Base58btc of the multihash.</summary>
    public override string ToString() => IsDefault ? "" : Multibase.EncodeBase58(Hash.ToArray());

    /// <inheritdoc/>
    public bool Equals(PeerId other) => Hash.Equals(other.Hash);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is PeerId other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Hash.GetHashCode();

    /// <summary>Equality by hash.</summary>
    public static bool operator ==(PeerId left, PeerId right) => left.Equals(right);

    /// <summary>Inequality by hash.</summary>
    public static bool operator !=(PeerId left, PeerId right) => !left.Equals(right);

    private static bool IsLegal(in Multihash hash) =>
        hash.Code == Multihash.Sha2_256 || (hash.Code == Multihash.Identity && hash.DigestLength is > 0 and <= MaxInlineKeyLength);
}
