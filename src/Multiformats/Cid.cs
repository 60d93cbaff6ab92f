using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Ipcs.Multiformats;

/// <summary>
/// A content identifier: version, codec, multihash. Spec: https://github.com/multiformats/cid.
/// Version 0 is always dag-pb with SHA2-256.
/// </summary>
public readonly struct Cid : IEquatable<Cid>
{
    /// <summary>The longest binary form accepted, in bytes.</summary>
    public const int MaxLength = 1 + 5 + Multihash.MaxLength;

    /// <summary>The longest text accepted, in characters: base16 of the longest binary form.</summary>
    public const int MaxTextLength = 1 + (2 * MaxLength);

    private readonly Multihash _hash;
    private readonly uint _codec;
    private readonly byte _version;

    private Cid(byte version, uint codec, in Multihash hash)
    {
        _version = version;
        _codec = codec;
        _hash = hash;
    }

    /// <summary>0 or 1.</summary>
    public int Version => _version;

    /// <summary>The multicodec of the block (<see cref="Multicodec"/>).</summary>
    public uint Codec => _codec;

    /// <summary>The hash of the block.</summary>
    public Multihash Hash => _hash;

    /// <summary>True for the default value, which is not a CID.</summary>
    public bool IsDefault => _version == 0 && _codec == 0;

    /// <summary>The length of the binary form in bytes.</summary>
    public int Length => _version == 0 ? _hash.Length : 1 + Varint.Length(_codec) + _hash.Length;

    /// <summary>Creates a version 0 CID.</summary>
    /// <exception cref="ArgumentException">The hash is not SHA2-256.</exception>
    public static Cid V0(in Multihash hash) => hash.Code == Multihash.Sha2_256
        ? new Cid(0, Multicodec.DagPb, hash)
        : throw new ArgumentException("a version 0 CID requires a sha2-256 hash", nameof(hash));

    /// <summary>Creates a version 1 CID.</summary>
    public static Cid V1(uint codec, in Multihash hash) => new(1, codec, hash);

    /// <summary>The version 1 CID of the same codec and hash.</summary>
    public Cid ToV1() => new(1, _codec, _hash);

    /// <summary>Reads one CID (either version) from the start of <paramref name="source"/>.</summary>
    public static OperationStatus TryRead(ReadOnlySpan<byte> source, out Cid value, out int consumed)
    {
        value = default;
        consumed = 0;
        if (source.Length >= 2 && source[0] == (byte)Multihash.Sha2_256 && source[1] == 32)
        {
            if (source.Length < 34)
            {
                return OperationStatus.NeedMoreData;
            }

            value = V0(new Multihash(Multihash.Sha2_256, source.Slice(2, 32)));
            consumed = 34;
            return OperationStatus.Done;
        }

        OperationStatus status = Varint.TryRead(source, out ulong version, out int n);
        if (status != OperationStatus.Done)
        {
            return status;
        }

        if (version != 1)
        {
            return source.Length == 1 && source[0] == (byte)Multihash.Sha2_256
                ? OperationStatus.NeedMoreData
                : OperationStatus.InvalidData;
        }

        status = Varint.TryRead(source[n..], out ulong codec, out int m);
        if (status != OperationStatus.Done)
        {
            return status;
        }

        if (codec > uint.MaxValue)
        {
            return OperationStatus.InvalidData;
        }

        status = Multihash.TryRead(source[(n + m)..], out Multihash hash, out int h);
        if (status != OperationStatus.Done)
        {
            return status;
        }

        value = new Cid(1, (uint)codec, hash);
        consumed = n + m + h;
        return OperationStatus.Done;
    }

    /// <summary>Parses bytes that are exactly one CID.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out Cid value)
    {
        if (TryRead(bytes, out value, out int consumed) == OperationStatus.Done && consumed == bytes.Length)
        {
            return true;
        }

        value = default;
        return false;
    }

    /// <summary>
    /// Parses the text form: base58btc without a prefix for version 0 (46 characters, <c>Qm</c>), multibase for version 1.
    /// </summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out Cid value)
    {
        value = default;
        if (string.IsNullOrEmpty(text) || text.Length > MaxTextLength)
        {
            return false;
        }

        if (text.Length == 46 && text.StartsWith("Qm", StringComparison.Ordinal))
        {
            return Multibase.TryDecodeBase58(text, out byte[]? v0) && TryParse(v0, out value) && value.Version == 0;
        }

        if (!Multibase.TryDecode(text, out byte[]? bytes) || !TryParse(bytes, out value))
        {
            value = default;
            return false;
        }

        // The specification tells decoders to refuse a version 0 CID in multibase.
        if (value.Version == 1)
        {
            return true;
        }

        value = default;
        return false;
    }

    /// <summary>Parses the text form.</summary>
    /// <exception cref="FormatException">The text is not a CID.</exception>
    public static Cid Parse(string text) =>
        TryParse(text, out Cid value) ? value : throw new FormatException($"'{text}' is not a CID");

    /// <summary>Writes the binary form and returns the number of bytes written.</summary>
    public int Write(Span<byte> destination)
    {
        if (_version == 0)
        {
            return _hash.Write(destination);
        }

        int n = Varint.Write(destination, 1);
        n += Varint.Write(destination[n..], _codec);
        return n + _hash.Write(destination[n..]);
    }

    /// <summary>The binary form in a new array.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[Length];
        Write(bytes);
        return bytes;
    }

    /// <summary>The default text form: base58btc for version 0, base32 for version 1.</summary>
    public override string ToString() => IsDefault ? "" : ToString(_version == 0 ? MultibaseEncoding.Base58Btc : MultibaseEncoding.Base32);

    /// <summary>The text form in a given base; version 0 is always in base58btc.</summary>
    public string ToString(MultibaseEncoding encoding) =>
        _version == 0 ? Multibase.EncodeBase58(ToArray()) : Multibase.Encode(encoding, ToArray());

    /// <inheritdoc/>
    public bool Equals(Cid other) => _version == other._version && _codec == other._codec && _hash.Equals(other._hash);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Cid other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _hash.GetHashCode();

    /// <summary>Equality by version, codec and hash.</summary>
    public static bool operator ==(Cid left, Cid right) => left.Equals(right);

    /// <summary>Inequality by version, codec and hash.</summary>
    public static bool operator !=(Cid left, Cid right) => !left.Equals(right);
}
