using System.Runtime.CompilerServices;

namespace Ipcs.Multiformats;

/// <summary>
/// One field of a protobuf message; its bytes point into the message. The deprecated groups are refused.
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

    /// <summary>The length in bytes of the longest varint of 64 bits.</summary>
    private const int MaxVarint = 10;

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
    /// Reads one field as <see cref="TryRead"/> does, and refuses the wire types of 32 and 64 fixed bits, which the messages of Bitswap and
    /// resolve do not use.
    /// </summary>
    public static bool TryReadVarintOrCounted(scoped ref ReadOnlySpan<byte> source, out ProtoField field) =>
        TryRead(ref source, out field) && field.Wire is Varint or Counted;

    /// <summary>
    /// Reads the field at the start of <paramref name="source"/> and moves past it; false when it is malformed, and the source is then
    /// undefined.
    /// </summary>
    public static bool TryRead(scoped ref ReadOnlySpan<byte> source, out ProtoField field)
    {
        if (TryReadVarint(ref source, out ulong tag, out bool minimal) && tag <= uint.MaxValue && tag > 7)
        {
            byte wire = (byte)(tag & 7);
            if (wire == Varint)
            {
                if (TryReadVarint(ref source, out ulong value, out bool shortest))
                {
                    field = new ProtoField((int)(tag >> 3), wire, value, default, minimal & shortest);
                    return true;
                }
            }
            else if (TryReadLength(ref source, wire, out ulong length, ref minimal) && length <= (ulong)source.Length)
            {
                field = new ProtoField((int)(tag >> 3), wire, 0, source[..(int)length], minimal);
                source = source[(int)length..];
                return true;
            }
        }

        field = default;
        return false;
    }

    private static bool TryReadLength(scoped ref ReadOnlySpan<byte> source, byte wire, out ulong length, ref bool minimal)
    {
        if (wire == Counted)
        {
            bool read = TryReadVarint(ref source, out length, out bool shortest);
            minimal &= shortest;
            return read;
        }

        length = wire == Fixed64 ? 8u : 4;
        return wire is Fixed64 or Fixed32;
    }

    /// <summary>
    /// As <see cref="TryRead"/>, but refuses varints that <see cref="Multiformats.Varint"/> refuses: those not in their shortest form, and
    /// values of more than 63 bits.
    /// </summary>
    public static bool TryReadStrict(scoped ref ReadOnlySpan<byte> source, out ProtoField field) =>
        TryRead(ref source, out field) && field.IsMinimal && field.Value <= long.MaxValue;

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
