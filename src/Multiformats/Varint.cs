using System.Buffers;
using System.Numerics;

namespace Ipcs.Multiformats;

/// <summary>
/// Unsigned varints of at most nine bytes (63 bits), always in their shortest form.
/// Spec: https://github.com/multiformats/unsigned-varint.
/// </summary>
public static class Varint
{
    /// <summary>The longest legal encoding in bytes.</summary>
    public const int MaxLength = 9;

    /// <summary>Reads one varint from the start of <paramref name="source"/>.</summary>
    /// <returns>
    /// <see cref="OperationStatus.NeedMoreData"/> when the bytes end inside the varint,
    /// <see cref="OperationStatus.InvalidData"/> when it is longer than nine bytes or not minimal.
    /// </returns>
    public static OperationStatus TryRead(ReadOnlySpan<byte> source, out ulong value, out int consumed)
    {
        value = 0;
        consumed = 0;
        for (int i = 0; i < source.Length && i < MaxLength; i++)
        {
            byte b = source[i];
            value |= (ulong)(b & 0x7f) << (7 * i);
            if (b < 0x80)
            {
                if (b == 0 && i > 0)
                {
                    value = 0;
                    return OperationStatus.InvalidData;
                }

                consumed = i + 1;
                return OperationStatus.Done;
            }
        }

        value = 0;
        return source.Length >= MaxLength ? OperationStatus.InvalidData : OperationStatus.NeedMoreData;
    }

    /// <summary>Writes <paramref name="value"/> and returns the number of bytes written.</summary>
    /// <exception cref="ArgumentException">The destination is too short, or the value has more than 63 bits.</exception>
    public static int Write(Span<byte> destination, ulong value)
    {
        int length = Length(value);
        if (destination.Length < length)
        {
            throw new ArgumentException("destination is shorter than the varint", nameof(destination));
        }

        for (int i = 0; i < length - 1; i++)
        {
            destination[i] = (byte)(value | 0x80);
            value >>= 7;
        }

        destination[length - 1] = (byte)value;
        return length;
    }

    /// <summary>The encoded length of <paramref name="value"/> in bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value has more than 63 bits.</exception>
    public static int Length(ulong value)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value, (ulong)long.MaxValue);
        return value == 0 ? 1 : ((63 - BitOperations.LeadingZeroCount(value)) / 7) + 1;
    }
}
