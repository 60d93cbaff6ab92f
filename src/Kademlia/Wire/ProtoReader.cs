namespace Ipcs.Kademlia.Wire;

/// <summary>
/// Reads the fields of a protobuf message one after the other. Wire types 0 (numbers) and 2 (bytes) are given out; 1 and 5, which none of our fields
/// has, are passed over; groups are refused. Spec: https://protobuf.dev/programming-guides/encoding/.
/// </summary>
internal ref struct ProtoReader(ReadOnlySpan<byte> source)
{
    private ReadOnlySpan<byte> _rest = source;

    /// <summary>The number of the field just read.</summary>
    public int Field { get; private set; }

    /// <summary>True when the field just read is bytes, false when it is a number.</summary>
    public bool IsBytes { get; private set; }

    /// <summary>The field's value when it is a number.</summary>
    public ulong Number { get; private set; }

    /// <summary>The field's value when it is bytes.</summary>
    public ReadOnlySpan<byte> Bytes { get; private set; }

    /// <summary>True once the bytes turned out to be no protobuf message.</summary>
    public bool IsBad { get; private set; }

    /// <summary>Moves to the next field; false at the end, and when what follows is no field.</summary>
    public bool Read()
    {
        while (!_rest.IsEmpty && !IsBad)
        {
            if (!TryReadNumber(out ulong tag) || tag >> 3 is 0 or > int.MaxValue)
            {
                break;
            }

            Field = (int)(tag >> 3);
            switch (tag & 7)
            {
                case 0 when TryReadNumber(out ulong number):
                    IsBytes = false;
                    Number = number;
                    return true;
                case 2 when TryReadNumber(out ulong length) && length <= (ulong)_rest.Length:
                    IsBytes = true;
                    Bytes = _rest[..(int)length];
                    _rest = _rest[(int)length..];
                    return true;
                case 1 when _rest.Length >= 8:
                    _rest = _rest[8..];
                    continue;
                case 5 when _rest.Length >= 4:
                    _rest = _rest[4..];
                    continue;
                default:
                    IsBad = true;
                    return false;
            }
        }

        IsBad |= !_rest.IsEmpty;
        return false;
    }

    private bool TryReadNumber(out ulong value)
    {
        // Ten bytes at most, and in the tenth only the 64th bit.
        value = 0;
        for (int i = 0; i < _rest.Length && i < 10; i++)
        {
            byte b = _rest[i];
            value |= (ulong)(b & 0x7f) << (7 * i);
            if (b < 0x80)
            {
                _rest = _rest[(i + 1)..];
                return i < 9 || b <= 1;
            }
        }

        return false;
    }
}
