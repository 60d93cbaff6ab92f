using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Wire;

/// <summary>
/// One field of a protobuf message, for the wire types that our protocols have: 0 (numbers) and 2 (bytes).
/// Spec: https://protobuf.dev/programming-guides/encoding/.
/// </summary>
/// <param name="Number">The field's number.</param>
/// <param name="Wire">0 or 2.</param>
/// <param name="Value">The number, for wire type 0.</param>
internal readonly record struct ProtoField(int Number, int Wire, ulong Value)
{
    /// <summary>Reads one field and moves past it.</summary>
    public static bool TryRead(ref ReadOnlySpan<byte> source, out ProtoField field, out ReadOnlySpan<byte> bytes)
    {
        field = default;
        bytes = default;
        if (!TryReadNumber(ref source, out ulong tag) || tag > int.MaxValue || !TryReadNumber(ref source, out ulong value))
        {
            return false;
        }

        int wire = (int)(tag & 7);
        if (wire == 2)
        {
            if (value > (ulong)source.Length)
            {
                return false;
            }

            bytes = source[..(int)value];
            source = source[(int)value..];
        }

        field = new ProtoField((int)(tag >> 3), wire, value);
        return wire is 0 or 2 && field.Number > 0;
    }

    /// <summary>The length of a field of bytes.</summary>
    public static int BytesLength(int number, int length) => Varint.Length(((uint)number << 3) | 2) + Varint.Length((ulong)length) + length;

    /// <summary>Writes the tag and length of a field of bytes.</summary>
    public static void WriteHead(ArrayBufferWriter<byte> output, int number, int length)
    {
        WriteRaw(output, ((uint)number << 3) | 2);
        WriteRaw(output, (ulong)length);
    }

    /// <summary>Writes a field of bytes.</summary>
    public static void WriteBytes(ArrayBufferWriter<byte> output, int number, ReadOnlySpan<byte> bytes)
    {
        WriteHead(output, number, bytes.Length);
        output.Write(bytes);
    }

    /// <summary>Writes a field that is a number.</summary>
    public static void WriteNumber(ArrayBufferWriter<byte> output, int number, ulong value)
    {
        WriteRaw(output, (uint)number << 3);
        WriteRaw(output, value);
    }

    private static void WriteRaw(ArrayBufferWriter<byte> output, ulong value)
    {
        Span<byte> span = output.GetSpan(10);
        int n = 0;
        for (; value >= 0x80; value >>= 7)
        {
            span[n++] = (byte)(value | 0x80);
        }

        span[n++] = (byte)value;
        output.Advance(n);
    }

    private static bool TryReadNumber(ref ReadOnlySpan<byte> source, out ulong value)
    {
        value = 0;
        for (int i = 0; i < source.Length && i < 10; i++)
        {
            byte b = source[i];
            value |= (ulong)(b & 0x7f) << (7 * i);
            if (b < 0x80)
            {
                source = source[(i + 1)..];
                return i < 9 || b <= 1;
            }
        }

        return false;
    }
}
