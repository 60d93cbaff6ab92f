using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Identify;

/// <summary>
/// Reads the fields of a protobuf one after the other. Spec: https://protobuf.dev/programming-guides/encoding/.
/// <code>field = varint(number &lt;&lt; 3 | wire)  then  varint (0), 8 bytes (1), varint(length) bytes (2), 4 bytes (5)</code>
/// </summary>
internal ref struct ProtoReader(ReadOnlySpan<byte> source)
{
    private ReadOnlySpan<byte> _rest = source;

    /// <summary>The field's number.</summary>
    public uint Number { get; private set; }

    /// <summary>True when it carries bytes.</summary>
    public bool HasBytes { get; private set; }

    /// <summary>Its bytes.</summary>
    public ReadOnlySpan<byte> Bytes { get; private set; }

    /// <summary>Its number value.</summary>
    public ulong Value { get; private set; }

    /// <summary>True once the source is no protobuf.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Moves to the next field; false at the end or when the source is broken.</summary>
    public bool Next()
    {
        if (_rest.IsEmpty)
        {
            return false;
        }

        if (!TryNumber(out ulong tag) || tag >> 3 is 0 or > int.MaxValue)
        {
            return Break();
        }

        Number = (uint)(tag >> 3);
        HasBytes = (tag & 7) == 2;
        Bytes = default;
        Value = 0;
        switch (tag & 7)
        {
            case 0:
                if (!TryNumber(out ulong value))
                {
                    return Break();
                }

                Value = value;
                return true;
            case 1:
                return TryBytes(8) || Break();
            case 2:
                return (TryNumber(out ulong length) && TryBytes(length)) || Break();
            case 5:
                return TryBytes(4) || Break();
            default:
                return Break();
        }
    }

    private bool TryNumber(out ulong value)
    {
        bool done = Varint.TryRead(_rest, out value, out int n) == OperationStatus.Done;
        _rest = _rest[n..];
        return done;
    }

    private bool TryBytes(ulong length)
    {
        if (length > (ulong)_rest.Length)
        {
            return false;
        }

        Bytes = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return true;
    }

    private bool Break()
    {
        IsBroken = true;
        _rest = default;
        return false;
    }
}
