using System.Buffers.Binary;
using System.Numerics;

namespace Ipcs.Multiformats;

/// <summary>
/// Writes the fields of a protobuf message into a span, which the caller makes long enough. The only writer by hand, for messages whose
/// bytes must not be copied; all others are generated. Spec: https://protobuf.dev/programming-guides/encoding/.
/// </summary>
public ref struct ProtoWriter(Span<byte> destination)
{
    /// <summary>The length in bytes of the longest varint of 64 bits.</summary>
    public const int MaxVarint = 10;

    /// <summary>The length in bytes of the longest tag.</summary>
    public const int MaxTag = 5;

    private readonly Span<byte> _destination = destination;

    /// <summary>The number of bytes written.</summary>
    public int Written { get; private set; }

    /// <summary>The encoded length of a varint of up to 64 bits.</summary>
    public static int VarintLength(ulong value) => (BitOperations.Log2(value | 1) / 7) + 1;

    /// <summary>The encoded length of a field of <paramref name="length"/> bytes with its tag (field numbers below 16).</summary>
    public static int BytesFieldLength(int length) => 1 + VarintLength((ulong)length) + length;

    /// <summary>The encoded length of a varint field with its tag (field numbers below 16).</summary>
    public static int VarintFieldLength(ulong value) => 1 + VarintLength(value);

    /// <summary>Writes the tag of a field.</summary>
    public void Tag(int field, int wireType) => Varint(((uint)field << 3) | (uint)wireType);

    /// <summary>Writes a varint without a tag.</summary>
    public void Varint(ulong value)
    {
        while (value >= 0x80)
        {
            _destination[Written++] = (byte)(value | 0x80);
            value >>= 7;
        }

        _destination[Written++] = (byte)value;
    }

    /// <summary>Writes a varint field.</summary>
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

    /// <summary>Writes a bytes field.</summary>
    public void BytesField(int field, scoped ReadOnlySpan<byte> bytes)
    {
        BytesHead(field, bytes.Length);
        bytes.CopyTo(Space(bytes.Length));
    }

    /// <summary>Writes a field of 32 fixed bits.</summary>
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
