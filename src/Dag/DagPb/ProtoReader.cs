using System.Buffers.Binary;

namespace Ipcs.Dag.DagPb;

/// <summary>Reads protobuf fields from a span and remembers whether every varint was in its shortest form.</summary>
internal ref struct ProtoReader(ReadOnlySpan<byte> source)
{
    /// <summary>Wire type 0.</summary>
    public const int Varint = 0;

    /// <summary>Wire type 2.</summary>
    public const int Bytes = 2;

    /// <summary>Wire type 5.</summary>
    public const int Fixed32 = 5;

    private readonly ReadOnlySpan<byte> _source = source;

    /// <summary>Where the next byte is read, from the start of the span.</summary>
    public int Position { get; private set; }

    /// <summary>False once a varint was longer than need be.</summary>
    public bool Minimal { get; private set; } = true;

    public readonly bool AtEnd => Position == _source.Length;

    public bool TryTag(out ulong field, out int wireType)
    {
        bool read = TryVarint(out ulong tag);
        field = tag >> 3;
        wireType = (int)(tag & 7);
        return read && field != 0;
    }

    public bool TryVarint(out ulong value)
    {
        value = 0;
        for (int i = 0; i < 10 && Position < _source.Length; i++)
        {
            byte b = _source[Position++];
            if (i == 9 && b > 1)
            {
                return false;
            }

            value |= (ulong)(b & 0x7f) << (7 * i);
            if (b < 0x80)
            {
                Minimal &= b != 0 || i == 0;
                return true;
            }
        }

        return false;
    }

    /// <summary>Reads a length and steps over that many bytes, which start at <paramref name="start"/>.</summary>
    public bool TryBytes(out int start, out int length)
    {
        start = length = 0;
        if (!TryVarint(out ulong n) || n > (ulong)(_source.Length - Position))
        {
            return false;
        }

        start = Position;
        length = (int)n;
        Position += length;
        return true;
    }

    public bool TryFixed32(out uint value)
    {
        value = 0;
        if (_source.Length - Position < 4)
        {
            return false;
        }

        value = BinaryPrimitives.ReadUInt32LittleEndian(_source[Position..]);
        Position += 4;
        return true;
    }

    /// <summary>Steps over a field of the given wire type (groups are not read).</summary>
    public bool TrySkip(int wireType)
    {
        switch (wireType)
        {
            case Varint:
                return TryVarint(out _);
            case Bytes:
                return TryBytes(out _, out _);
            case 1 or Fixed32:
                int size = wireType == 1 ? 8 : 4;
                if (_source.Length - Position < size)
                {
                    return false;
                }

                Position += size;
                return true;
            default:
                return false;
        }
    }
}
