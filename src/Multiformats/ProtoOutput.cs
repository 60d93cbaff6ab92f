using System.Buffers;
using System.Numerics;

namespace Ipcs.Multiformats;

/// <summary>Writes the fields of a protobuf message. Spec: https://protobuf.dev/programming-guides/encoding/.</summary>
public static class ProtoOutput
{
    /// <summary>The length in bytes of the longest varint of 64 bits.</summary>
    private const int MaxVarint = 10;

    /// <summary>Writes a varint field.</summary>
    public static void WriteNumber(this ArrayBufferWriter<byte> output, int number, ulong value)
    {
        output.WriteVarint(((uint)number << 3) | ProtoField.Varint);
        output.WriteVarint(value);
    }

    /// <summary>Writes a field of bytes.</summary>
    public static void WriteBytes(this ArrayBufferWriter<byte> output, int number, ReadOnlySpan<byte> bytes)
    {
        output.WriteHead(number, bytes.Length);
        output.Write(bytes);
    }

    /// <summary>Writes the tag and length of a field of bytes; the caller writes the bytes.</summary>
    public static void WriteHead(this ArrayBufferWriter<byte> output, int number, int length)
    {
        output.WriteVarint(((uint)number << 3) | ProtoField.Counted);
        output.WriteVarint((ulong)length);
    }

    /// <summary>The encoded length of a field of <paramref name="length"/> bytes.</summary>
    public static int BytesLength(int number, int length) => VarintLength((uint)number << 3) + VarintLength((ulong)length) + length;

    /// <summary>The encoded length of a varint of up to 64 bits.</summary>
    public static int VarintLength(ulong value) => (BitOperations.Log2(value | 1) / 7) + 1;

    private static void WriteVarint(this ArrayBufferWriter<byte> output, ulong value)
    {
        Span<byte> span = output.GetSpan(MaxVarint);
        int n = 0;
        for (; value >= 0x80; value >>= 7)
        {
            span[n++] = (byte)(value | 0x80);
        }

        span[n++] = (byte)value;
        output.Advance(n);
    }
}
