using System.Buffers.Binary;
using Ipcs.Multiformats;

namespace Ipcs.Dag.DagPb;

/// <summary>Writes protobuf fields into a span. The caller makes it long enough.</summary>
internal ref struct ProtoWriter(Span<byte> destination)
{
    private readonly Span<byte> _destination = destination;

    /// <summary>The number of bytes written.</summary>
    public int Written { get; private set; }

    /// <summary>The encoded length of a varint of up to 64 bits.</summary>
    public static int VarintLength(ulong value) => ProtoOutput.VarintLength(value);

    /// <summary>The encoded length of a bytes field with its tag (field numbers below 16).</summary>
    public static int BytesFieldLength(int length) => 1 + VarintLength((ulong)length) + length;

    /// <summary>The encoded length of a varint field with its tag (field numbers below 16).</summary>
    public static int VarintFieldLength(ulong value) => 1 + VarintLength(value);

    public void Tag(int field, int wireType) => _destination[Written++] = (byte)((field << 3) | wireType);

    public void Varint(ulong value)
    {
        while (value >= 0x80)
        {
            _destination[Written++] = (byte)(value | 0x80);
            value >>= 7;
        }

        _destination[Written++] = (byte)value;
    }

    public void VarintField(int field, ulong value)
    {
        Tag(field, ProtoField.Varint);
        Varint(value);
    }

    /// <summary>
    /// Writes tag and length of a bytes field; the caller then writes the bytes, into <see cref="Space"/> or by other calls.
    /// </summary>
    public void BytesHead(int field, int length)
    {
        Tag(field, ProtoField.Counted);
        Varint((ulong)length);
    }

    public void BytesField(int field, scoped ReadOnlySpan<byte> bytes)
    {
        BytesHead(field, bytes.Length);
        bytes.CopyTo(Space(bytes.Length));
    }

    public void Fixed32Field(int field, uint value)
    {
        Tag(field, ProtoField.Fixed32);
        BinaryPrimitives.WriteUInt32LittleEndian(Space(4), value);
    }

    /// <summary>Returns the next bytes for the caller to fill.</summary>
    public Span<byte> Space(int length)
    {
        Span<byte> space = _destination.Slice(Written, length);
        Written += length;
        return space;
    }
}
