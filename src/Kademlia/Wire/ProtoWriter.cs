using System.Buffers;

namespace Ipcs.Kademlia.Wire;

/// <summary>Writes the fields of a protobuf message. Spec: https://protobuf.dev/programming-guides/encoding/.</summary>
internal readonly struct ProtoWriter(ArrayBufferWriter<byte> output)
{
    /// <summary>Writes a field that is a number.</summary>
    public void Number(int field, ulong value)
    {
        Varint((uint)field << 3);
        Varint(value);
    }

    /// <summary>Writes a field of bytes.</summary>
    public void Bytes(int field, ReadOnlySpan<byte> bytes)
    {
        Varint(((uint)field << 3) | 2);
        Varint((ulong)bytes.Length);
        output.Write(bytes);
    }

    private void Varint(ulong value)
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
}
