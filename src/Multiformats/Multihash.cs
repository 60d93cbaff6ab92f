using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Ipcs.Multiformats;

/// <summary>
/// A self-describing hash: code, length, digest. Spec: https://github.com/multiformats/multihash.
/// Digests of up to 32 bytes are stored in the value itself, longer ones in an array.
/// </summary>
public readonly struct Multihash : IEquatable<Multihash>
{
    /// <summary>The identity function: the digest is the data.</summary>
    public const uint Identity = 0x00;

    /// <summary>SHA2-256.</summary>
    public const uint Sha2_256 = 0x12;

    /// <summary>SHA2-512.</summary>
    public const uint Sha2_512 = 0x13;

    /// <summary>SHA2-384.</summary>
    public const uint Sha2_384 = 0x20;

    /// <summary>
    /// The longest digest accepted, in bytes: Kubo's limit for identity hashes.
    /// </summary>
    public const int MaxDigestLength = 128;

    /// <summary>The longest encoding, in bytes: two varints and the digest.</summary>
    public const int MaxLength = 5 + 2 + MaxDigestLength;

    private readonly Inline32 _inline;
    private readonly byte[]? _long;
    private readonly uint _code;
    private readonly byte _digestLength;

    /// <summary>Creates a multihash of a digest.</summary>
    /// <exception cref="ArgumentException">The length of the digest is wrong for the code, or over the limit.</exception>
    public Multihash(uint code, ReadOnlySpan<byte> digest)
    {
        if (!IsLegal(code, digest.Length))
        {
            throw new ArgumentException($"a digest of {digest.Length} bytes is not legal for hash code 0x{code:x}", nameof(digest));
        }

        _code = code;
        _digestLength = (byte)digest.Length;
        if (digest.Length <= 32)
        {
            digest.CopyTo(_inline);
        }
        else
        {
            _long = digest.ToArray();
        }
    }

    /// <summary>The hash function's multicodec code.</summary>
    public uint Code => _code;

    /// <summary>The digest's length in bytes.</summary>
    public int DigestLength => _digestLength;

    /// <summary>
    /// The digest. The span may point into this value, so the value must stay in a local variable while the span is in use.
    /// </summary>
    [UnscopedRef]
    public ReadOnlySpan<byte> Digest => _long ?? ((ReadOnlySpan<byte>)_inline)[.._digestLength];

    /// <summary>The length of the whole encoding in bytes.</summary>
    public int Length => Varint.Length(_code) + Varint.Length(_digestLength) + _digestLength;

    /// <summary>True for the default value, which is not a multihash and is encoded as an empty identity hash.</summary>
    public bool IsDefault => _code == 0 && _digestLength == 0;

    /// <summary>The SHA2-256 multihash of <paramref name="data"/>.</summary>
    public static Multihash Sha256(ReadOnlySpan<byte> data)
    {
        Span<byte> digest = stackalloc byte[32];
        SHA256.HashData(data, digest);
        return new Multihash(Sha2_256, digest);
    }

    /// <summary>Hashes <paramref name="data"/> with the function named by <paramref name="code"/>.</summary>
    /// <returns>False when the hash function is not supported.</returns>
    public static bool TryCompute(uint code, ReadOnlySpan<byte> data, out Multihash hash)
    {
        Span<byte> digest = stackalloc byte[64];
        switch (code)
        {
            case Sha2_256:
                hash = Sha256(data);
                return true;
            case Sha2_512:
                SHA512.HashData(data, digest);
                hash = new Multihash(code, digest);
                return true;
            case Sha2_384:
                SHA384.HashData(data, digest);
                hash = new Multihash(code, digest[..48]);
                return true;
            case Identity when data.Length <= MaxDigestLength:
                hash = new Multihash(code, data);
                return true;
            default:
                hash = default;
                return false;
        }
    }

    /// <summary>True when <paramref name="data"/> hashes to this value; false also when the hash function is not supported.</summary>
    public bool Verifies(ReadOnlySpan<byte> data) => TryCompute(_code, data, out Multihash computed) && computed.Equals(this);

    /// <summary>Reads one multihash from the start of <paramref name="source"/>.</summary>
    public static OperationStatus TryRead(ReadOnlySpan<byte> source, out Multihash value, out int consumed)
    {
        value = default;
        consumed = 0;
        OperationStatus status = Varint.TryRead(source, out ulong code, out int codeLength);
        if (status != OperationStatus.Done)
        {
            return status;
        }

        status = Varint.TryRead(source[codeLength..], out ulong length, out int lengthLength);
        if (status != OperationStatus.Done)
        {
            return status;
        }

        if (code > uint.MaxValue || length > MaxDigestLength || !IsLegal((uint)code, (int)length))
        {
            return OperationStatus.InvalidData;
        }

        ReadOnlySpan<byte> rest = source[(codeLength + lengthLength)..];
        if (rest.Length < (int)length)
        {
            return OperationStatus.NeedMoreData;
        }

        value = new Multihash((uint)code, rest[..(int)length]);
        consumed = codeLength + lengthLength + (int)length;
        return OperationStatus.Done;
    }

    /// <summary>Parses bytes that are exactly one multihash.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out Multihash value)
    {
        if (TryRead(bytes, out value, out int consumed) == OperationStatus.Done && consumed == bytes.Length)
        {
            return true;
        }

        value = default;
        return false;
    }

    /// <summary>Writes the encoding and returns the number of bytes written.</summary>
    public int Write(Span<byte> destination)
    {
        int n = Varint.Write(destination, _code);
        n += Varint.Write(destination[n..], _digestLength);
        Digest.CopyTo(destination[n..]);
        return n + _digestLength;
    }

    /// <summary>The encoding in a new array.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[Length];
        Write(bytes);
        return bytes;
    }

    /// <inheritdoc/>
    public bool Equals(Multihash other) =>
        _code == other._code && _digestLength == other._digestLength && Digest.SequenceEqual(other.Digest);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Multihash other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        ReadOnlySpan<byte> d = Digest;

        // The last bytes, because the identity hashes of keys all begin with the same bytes.
        return d.Length >= 8
            ? BinaryPrimitives.ReadInt32LittleEndian(d[^8..]) ^ BinaryPrimitives.ReadInt32LittleEndian(d[^4..])
            : HashCode.Combine(_code, d.Length, d.Length > 0 ? d[0] : 0, d.Length > 1 ? d[^1] : 0);
    }

    /// <summary>The encoding in lower-case hex.</summary>
    public override string ToString() => Convert.ToHexStringLower(ToArray());

    /// <summary>Equality by code and digest.</summary>
    public static bool operator ==(Multihash left, Multihash right) => left.Equals(right);

    /// <summary>Inequality by code and digest.</summary>
    public static bool operator !=(Multihash left, Multihash right) => !left.Equals(right);

    private static bool IsLegal(uint code, int length) => code switch
    {
        Sha2_256 => length == 32,
        Sha2_512 => length == 64,
        Sha2_384 => length == 48,
        _ => length <= MaxDigestLength,
    };

    [InlineArray(32)]
    [StructLayout(LayoutKind.Sequential)]
    private struct Inline32
    {
        private byte _element0;
    }
}
