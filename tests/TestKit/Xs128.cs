using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Ipcs.TestKit;

/// <summary>
/// The generator <c>xs128-v1</c> of the golden vectors (its rule stands in unixfs-vectors.json under <c>generator</c>):
/// Marsaglia's xor128, seeded from the SHA-256 of the seed's text, emitted as little-endian words.
/// </summary>
public static class Xs128
{
    /// <summary><paramref name="size"/> bytes of the stream that <paramref name="seed"/> starts.</summary>
    public static byte[] Bytes(string seed, int size)
    {
        byte[] h = SHA256.HashData(Encoding.UTF8.GetBytes(seed));
        uint x = BinaryPrimitives.ReadUInt32LittleEndian(h);
        uint y = BinaryPrimitives.ReadUInt32LittleEndian(h.AsSpan(4));
        uint z = BinaryPrimitives.ReadUInt32LittleEndian(h.AsSpan(8));
        uint w = BinaryPrimitives.ReadUInt32LittleEndian(h.AsSpan(12));
        byte[] output = new byte[size];
        Span<byte> word = stackalloc byte[4];
        for (int i = 0; i < size; i += 4)
        {
            uint t = x ^ (x << 11);
            x = y;
            y = z;
            z = w;
            w = w ^ (w >> 19) ^ t ^ (t >> 8);
            BinaryPrimitives.WriteUInt32LittleEndian(word, w);
            word[..Math.Min(4, size - i)].CopyTo(output.AsSpan(i));
        }

        return output;
    }
}
