using System.Buffers;
using System.Runtime.CompilerServices;

namespace Ipcs.Multiformats;

/// <summary>
/// One field of a protobuf message; its bytes point into the message. The deprecated groups are refused. The only reader by hand, for
/// messages whose bytes must not be copied, and to count the fields of others before generated code allocates memory for them.
/// Spec: https://protobuf.dev/programming-guides/encoding/.
/// <code>field = varint(number &lt;&lt; 3 | wire)  then  varint (wire 0), 8 bytes (1), varint(length) and bytes (2), 4 bytes (5)</code>
/// </summary>
public readonly ref struct ProtoField
{
    /// <summary>Wire type 0: a number as a varint.</summary>
    public const int Varint = 0;

    /// <summary>Wire type 1: eight bytes.</summary>
    public const int Fixed64 = 1;

    /// <summary>Wire type 2: bytes preceded by their length.</summary>
    public const int Counted = 2;

    /// <summary>Wire type 5: four bytes.</summary>
    public const int Fixed32 = 5;

    private const int MaxVarint = ProtoWriter.MaxVarint;

    private ProtoField(int number, byte wire, ulong value, ReadOnlySpan<byte> bytes, bool minimal)
    {
        Number = number;
        Wire = wire;
        Value = value;
        Bytes = bytes;
        IsMinimal = minimal;
    }

    /// <summary>The number of the field, from 1 to 2^29 - 1.</summary>
    public int Number { get; }

    /// <summary>One of the wire types above.</summary>
    public byte Wire { get; }

    /// <summary>The value for wire type 0; else 0.</summary>
    public ulong Value { get; }

    /// <summary>The bytes for the other wire types.</summary>
    public ReadOnlySpan<byte> Bytes { get; }

    /// <summary>True when all varints of the field (tag, length, value) were in their shortest form.</summary>
    public bool IsMinimal { get; }

    /// <summary>
    /// Reads one field as <see cref="TryRead(ref ReadOnlySpan{byte}, out ProtoField)"/> does, and refuses the wire types of 32 and 64 fixed
    /// bits, which the messages of Bitswap do not use.
    /// </summary>
    public static bool TryReadVarintOrCounted(scoped ref ReadOnlySpan<byte> source, out ProtoField field) =>
        TryRead(ref source, out field) && field.Wire is Varint or Counted;

    /// <summary>
    /// Reads the field at the start of <paramref name="source"/> and moves past it; false when it is malformed, and the source is then
    /// undefined.
    /// </summary>
    public static bool TryRead(scoped ref ReadOnlySpan<byte> source, out ProtoField field)
    {
        if (TryReadHead(ref source, out int number, out byte wire, out ulong value, out bool minimal))
        {
            if (wire == Varint)
            {
                field = new ProtoField(number, wire, value, default, minimal);
                return true;
            }

            if (value <= (ulong)source.Length)
            {
                field = new ProtoField(number, wire, 0, source[..(int)value], minimal);
                source = source[(int)value..];
                return true;
            }
        }

        field = default;
        return false;
    }

    /// <summary>As <see cref="TryRead(ref ReadOnlySpan{byte}, out ProtoField)"/>, for a message that is in several pieces.</summary>
    /// <param name="source">The message, from the field on.</param>
    /// <param name="field">The field without its bytes.</param>
    /// <param name="bytes">The bytes for other wire types than 0.</param>
    public static bool TryRead(ref ReadOnlySequence<byte> source, out ProtoField field, out ReadOnlySequence<byte> bytes)
    {
        field = default;
        bytes = default;

        // Tag and value, or tag and length, may be in two pieces.
        Span<byte> copy = stackalloc byte[2 * MaxVarint];
        ReadOnlySequence<byte> start = source.Slice(0, Math.Min(copy.Length, source.Length));
        start.CopyTo(copy);
        ReadOnlySpan<byte> left = copy[..(int)start.Length];
        if (!TryReadHead(ref left, out int number, out byte wire, out ulong value, out bool minimal))
        {
            return false;
        }

        ReadOnlySequence<byte> rest = source.Slice(start.Length - left.Length);
        if (wire != Varint)
        {
            if (value > (ulong)rest.Length)
            {
                return false;
            }

            bytes = rest.Slice(0, (long)value);
            rest = rest.Slice(bytes.End);
            value = 0;
        }

        source = rest;
        field = new ProtoField(number, wire, value, default, minimal);
        return true;
    }

    /// <summary>
    /// Reads a tag, and the value for wire type 0; for the others <paramref name="value"/> is the number of bytes to come.
    /// </summary>
    private static bool TryReadHead(
        scoped ref ReadOnlySpan<byte> source, out int number, out byte wire, out ulong value, out bool minimal)
    {
        value = 0;
        if (!TryReadVarint(ref source, out ulong tag, out minimal) || tag is > uint.MaxValue or < 8)
        {
            number = 0;
            wire = 0;
            return false;
        }

        number = (int)(tag >> 3);
        wire = (byte)(tag & 7);
        if (wire is Varint or Counted)
        {
            bool read = TryReadVarint(ref source, out value, out bool shortest);
            minimal &= shortest;
            return read;
        }

        value = wire == Fixed64 ? 8u : 4;
        return wire is Fixed64 or Fixed32;
    }

    /// <summary>Reads a varint of up to 64 bits, such as those in packed fields, and moves past it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryReadVarint(scoped ref ReadOnlySpan<byte> source, out ulong value, out bool minimal)
    {
        // Most varints have one byte: tags, flags and short lengths.
        if (source.Length > 0 && source[0] < 0x80)
        {
            value = source[0];
            minimal = true;
            source = source[1..];
            return true;
        }

        return TryReadLong(ref source, out value, out minimal);
    }

    private static bool TryReadLong(scoped ref ReadOnlySpan<byte> source, out ulong value, out bool minimal)
    {
        value = 0;
        minimal = false;
        for (int i = 0; i < source.Length && i < MaxVarint; i++)
        {
            byte b = source[i];
            value |= (ulong)(b & 0x7f) << (7 * i);
            if (b < 0x80)
            {
                source = source[(i + 1)..];
                minimal = b != 0;

                // The tenth byte holds only the 64th bit.
                return i < MaxVarint - 1 || b <= 1;
            }
        }

        return false;
    }
}
