using System.Buffers.Binary;
using System.Numerics;

namespace Ipcs.Dag.UnixFs;

/// <summary>
/// The first 64 bits of murmur3-x64-128 with seed 0 (multicodec 0x22): the hash function of names in sharded directories.
/// Reference: https://github.com/aappleby/smhasher (public domain), function MurmurHash3_x64_128.
/// </summary>
internal static class Murmur3
{
    private const ulong C1 = 0x87c37b91114253d5;
    private const ulong C2 = 0x4cf5ad432745937f;

    public static ulong Hash64(ReadOnlySpan<byte> data)
    {
        ulong h1 = 0;
        ulong h2 = 0;
        ReadOnlySpan<byte> rest = data;
        for (; rest.Length >= 16; rest = rest[16..])
        {
            h1 ^= First(BinaryPrimitives.ReadUInt64LittleEndian(rest));
            h1 = ((BitOperations.RotateLeft(h1, 27) + h2) * 5) + 0x52dce729;
            h2 ^= Second(BinaryPrimitives.ReadUInt64LittleEndian(rest[8..]));
            h2 = ((BitOperations.RotateLeft(h2, 31) + h1) * 5) + 0x38495ab5;
        }

        // The tail is padded with zeros.
        Span<byte> tail = stackalloc byte[16];
        tail.Clear();
        rest.CopyTo(tail);
        h2 ^= Second(BinaryPrimitives.ReadUInt64LittleEndian(tail[8..]));
        h1 ^= First(BinaryPrimitives.ReadUInt64LittleEndian(tail));

        h1 ^= (ulong)data.Length;
        h2 ^= (ulong)data.Length;
        h1 += h2;
        h2 += h1;
        return Mix(h1) + Mix(h2);
    }

    private static ulong First(ulong k) => BitOperations.RotateLeft(k * C1, 31) * C2;

    private static ulong Second(ulong k) => BitOperations.RotateLeft(k * C2, 33) * C1;

    private static ulong Mix(ulong k)
    {
        k = (k ^ (k >> 33)) * 0xff51afd7ed558ccd;
        k = (k ^ (k >> 33)) * 0xc4ceb9fe1a85ec53;
        return k ^ (k >> 33);
    }
}
