using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Identify;

/// <summary>Writes the fields of a protobuf. Spec: https://protobuf.dev/programming-guides/encoding/.</summary>
internal static class ProtoWriter
{
    /// <summary>A field that carries bytes.</summary>
    public static void WriteBytes(this ArrayBufferWriter<byte> output, uint number, ReadOnlySpan<byte> value)
    {
        Span<byte> head = output.GetSpan(2 * Varint.MaxLength);
        int n = Varint.Write(head, (number << 3) | 2);
        output.Advance(n + Varint.Write(head[n..], (ulong)value.Length));
        output.Write(value);
    }

    /// <summary>A field that carries a number.</summary>
    public static void WriteNumber(this ArrayBufferWriter<byte> output, uint number, ulong value)
    {
        Span<byte> field = output.GetSpan(2 * Varint.MaxLength);
        int n = Varint.Write(field, number << 3);
        output.Advance(n + Varint.Write(field[n..], value));
    }
}
