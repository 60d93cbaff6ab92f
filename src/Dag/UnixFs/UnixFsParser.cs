using System.Buffers.Binary;
using Ipcs.Dag.DagPb;
using Ipcs.Multiformats;

namespace Ipcs.Dag.UnixFs;

/// <summary>
/// Decodes the message without copying the data. Layout:
/// <code>
/// Data { Type = 1: enum; Data = 2: bytes; filesize = 3: uint64; blocksizes = 4: repeated uint64; hashType = 5: uint64; fanout = 6: uint64;
///        mode = 7: uint32; mtime = 8: UnixTime }  UnixTime { Seconds = 1: int64; FractionalNanoseconds = 2: fixed32 }
/// </code>
/// </summary>
internal static class UnixFsParser
{
    /// <summary>The fields of the message. <see cref="DataStart"/> is an offset in it.</summary>
    internal struct Fields
    {
        public UnixFsType Type;
        public bool HasData;
        public int DataStart;
        public int DataLength;
        public long? FileSize;
        public long[] BlockSizes;
        public ulong? HashType;
        public ulong? Fanout;
        public uint? Mode;
        public UnixFsTime? MTime;
        public bool Canonical;
    }

    public static bool TryParse(ReadOnlySpan<byte> bytes, out Fields fields)
    {
        fields = new Fields { BlockSizes = [], Canonical = true };
        ReadOnlySpan<byte> left = bytes;
        List<long>? sizes = null;
        uint seen = 0;
        int last = 0;
        while (!left.IsEmpty)
        {
            if (!ProtoField.TryRead(ref left, out ProtoField field))
            {
                return false;
            }

            fields.Canonical &= field.IsMinimal && field.Number >= last;
            last = field.Number;
            if (last > 8)
            {
                fields.Canonical = false;
                continue;
            }

            if (last != 4 && (seen & (1u << last)) != 0)
            {
                return false;
            }

            seen |= 1u << last;
            bool taken = field.Wire switch
            {
                ProtoField.Varint => TakeNumber(ref fields, ref sizes, last, field.Value),
                ProtoField.Counted => TakeBytes(ref fields, ref sizes, last, field.Bytes, bytes.Length - left.Length - field.Bytes.Length),
                _ => false,
            };
            if (!taken)
            {
                return false;
            }
        }

        fields.BlockSizes = sizes is null ? [] : [.. sizes];
        return (seen & 2) != 0;
    }

    private static bool TakeNumber(ref Fields fields, ref List<long>? sizes, int field, ulong number)
    {
        switch (field)
        {
            case 1:
                fields.Type = (UnixFsType)number;
                return number <= (ulong)UnixFsType.HamtShard;
            case 3:
                fields.FileSize = (long)number;
                return number <= long.MaxValue;
            case 4:
                return AddSize(ref sizes, number);
            case 5:
                fields.HashType = number;
                return true;
            case 6:
                fields.Fanout = number;
                return true;
            case 7:
                fields.Mode = (uint)number;
                return number <= uint.MaxValue;
            default:
                return false;
        }
    }

    private static bool TakeBytes(ref Fields fields, ref List<long>? sizes, int field, ReadOnlySpan<byte> bytes, int start)
    {
        switch (field)
        {
            case 2:
                fields.HasData = true;
                fields.DataStart = start;
                fields.DataLength = bytes.Length;
                return true;
            case 4:
                fields.Canonical = false;
                while (!bytes.IsEmpty)
                {
                    if (!ProtoField.TryReadVarint(ref bytes, out ulong size, out _) || !AddSize(ref sizes, size))
                    {
                        return false;
                    }
                }

                return true;
            case 8:
                return TryTime(ref fields, bytes);
            default:
                return false;
        }
    }

    private static bool AddSize(ref List<long>? sizes, ulong size)
    {
        sizes ??= [];

        // At most as many as links.
        if (size > long.MaxValue || sizes.Count == DagPbNode.MaxLinks)
        {
            return false;
        }

        sizes.Add((long)size);
        return true;
    }

    private static bool TryTime(ref Fields fields, ReadOnlySpan<byte> bytes)
    {
        if (!ProtoField.TryRead(ref bytes, out ProtoField seconds) || seconds is not { Number: 1, Wire: ProtoField.Varint })
        {
            return false;
        }

        fields.Canonical &= seconds.IsMinimal;
        uint? nanoseconds = null;
        if (!bytes.IsEmpty)
        {
            if (!ProtoField.TryRead(ref bytes, out ProtoField fraction)
                || fraction is not { Number: 2, Wire: ProtoField.Fixed32 }
                || !bytes.IsEmpty)
            {
                return false;
            }

            fields.Canonical &= fraction.IsMinimal;
            nanoseconds = BinaryPrimitives.ReadUInt32LittleEndian(fraction.Bytes);
        }

        fields.MTime = new UnixFsTime((long)seconds.Value, nanoseconds);
        return nanoseconds is null or <= 999_999_999;
    }
}
