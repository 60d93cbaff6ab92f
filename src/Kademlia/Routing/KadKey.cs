using System.Buffers.Binary;
using System.Diagnostics;
using System.Numerics;
using System.Security.Cryptography;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Routing;

/// <summary>
/// A 256-bit number: either a point of the key space, which is the SHA-256 of a key's bytes, or the distance between two points, which is
/// their XOR. Spec: https://github.com/libp2p/specs/blob/master/kad-dht/README.md, section Distance.
/// </summary>
internal readonly record struct KadKey : IComparable<KadKey>
{
    /// <summary>The number of bits.</summary>
    public const int Bits = 256;

    private readonly ulong _a;
    private readonly ulong _b;
    private readonly ulong _c;
    private readonly ulong _d;

    private KadKey(ulong a, ulong b, ulong c, ulong d) => (_a, _b, _c, _d) = (a, b, c, d);

    /// <summary>The point of a key, such as the multihash of a content.</summary>
    public static KadKey Of(ReadOnlySpan<byte> key)
    {
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(key, hash);
        return FromBytes(hash);
    }

    /// <summary>The point of a peer.</summary>
    public static KadKey Of(in PeerId peer) => Of(peer.Hash);

    /// <summary>The point of a content.</summary>
    public static KadKey Of(in Multihash hash)
    {
        Span<byte> bytes = stackalloc byte[Multihash.MaxLength];
        return Of(bytes[..hash.Write(bytes)]);
    }

    /// <summary>Reads 32 bytes, the most significant first.</summary>
    public static KadKey FromBytes(ReadOnlySpan<byte> bytes)
    {
        Debug.Assert(bytes.Length == Bits / 8, "a key has 32 bytes");
        return new(
            BinaryPrimitives.ReadUInt64BigEndian(bytes),
            BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]),
            BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]),
            BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]));
    }

    /// <summary>The distance to another point.</summary>
    public KadKey DistanceTo(in KadKey other) => new(_a ^ other._a, _b ^ other._b, _c ^ other._c, _d ^ other._d);

    /// <summary>The number of leading bits that two points share; 256 when they are equal.</summary>
    public int CommonPrefix(in KadKey other)
    {
        KadKey d = DistanceTo(other);
        return d._a != 0 ? BitOperations.LeadingZeroCount(d._a)
            : d._b != 0 ? 64 + BitOperations.LeadingZeroCount(d._b)
            : d._c != 0 ? 128 + BitOperations.LeadingZeroCount(d._c)
            : d._d != 0 ? 192 + BitOperations.LeadingZeroCount(d._d)
            : Bits;
    }

    /// <summary>The 32 bytes, the most significant first.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[32];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, _a);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(8), _b);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(16), _c);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(24), _d);
        return bytes;
    }

    /// <inheritdoc/>
    public int CompareTo(KadKey other)
    {
        int order = _a.CompareTo(other._a);
        order = order != 0 ? order : _b.CompareTo(other._b);
        order = order != 0 ? order : _c.CompareTo(other._c);
        return order != 0 ? order : _d.CompareTo(other._d);
    }

    /// <inheritdoc/>
    public override string ToString() => Convert.ToHexStringLower(ToArray());
}
