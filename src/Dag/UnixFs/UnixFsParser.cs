using Ipcs.Dag.DagPb;

namespace Ipcs.Dag.UnixFs;

/// <summary>
/// The decoder proper, without copying the data. Layout:
/// <code>
/// Data { Type = 1: enum; Data = 2: bytes; filesize = 3: uint64; blocksizes = 4: repeated uint64; hashType = 5: uint64; fanout = 6: uint64;
///        mode = 7: uint32; mtime = 8: UnixTime }  UnixTime { Seconds = 1: int64; FractionalNanoseconds = 2: fixed32 }
/// </code>
/// </summary>
internal static class UnixFsParser
{
    /// <summary>What the message has in it. <see cref="DataStart"/> counts from its start.</summary>
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
        var reader = new ProtoReader(bytes);
        List<long>? sizes = null;
        uint seen = 0;
        ulong last = 0;
        while (!reader.AtEnd)
        {
            if (!reader.TryTag(out ulong field, out int wireType))
            {
                return false;
            }

            fields.Canonical &= field >= last;
            last = field;
            if (field is > 8)
            {
                fields.Canonical = false;
                if (!reader.TrySkip(wireType))
                {
                    return false;
                }

                continue;
            }

            if (field != 4 && (seen & (1u << (int)field)) != 0)
            {
                return false;
            }

            seen |= 1u << (int)field;
            ulong number = 0;
            int start = 0;
            int length = 0;
            bool read = wireType switch
            {
                ProtoReader.Varint => field is not (2 or 8) && reader.TryVarint(out number),
                ProtoReader.Bytes => field is 2 or 4 or 8 && reader.TryBytes(out start, out length),
                _ => false,
            };
            if (!read || !Take(ref fields, ref sizes, bytes, field, wireType, number, start, length))
            {
                return false;
            }
        }

        fields.Canonical &= reader.Minimal;
        fields.BlockSizes = sizes is null ? [] : [.. sizes];
        return (seen & 2) != 0;
    }

    private static bool Take(
        ref Fields fields, ref List<long>? sizes, ReadOnlySpan<byte> bytes, ulong field, int wireType, ulong number, int start, int length)
    {
        switch (field)
        {
            case 1:
                fields.Type = (UnixFsType)number;
                return number <= (ulong)UnixFsType.HamtShard;
            case 2:
                fields.HasData = true;
                fields.DataStart = start;
                fields.DataLength = length;
                return true;
            case 3:
                fields.FileSize = (long)number;
                return number <= long.MaxValue;
            case 4 when wireType == ProtoReader.Varint:
                return AddSize(ref sizes, number);
            case 4:
                fields.Canonical = false;
                var packed = new ProtoReader(bytes.Slice(start, length));
                while (!packed.AtEnd)
                {
                    if (!packed.TryVarint(out number) || !AddSize(ref sizes, number))
                    {
                        return false;
                    }
                }

                return true;
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
                return TryTime(ref fields, bytes.Slice(start, length));
        }
    }

    private static bool AddSize(ref List<long>? sizes, ulong size)
    {
        sizes ??= [];

        // As many as there can be links.
        if (size > long.MaxValue || sizes.Count == DagPbNode.MaxLinks)
        {
            return false;
        }

        sizes.Add((long)size);
        return true;
    }

    private static bool TryTime(ref Fields fields, ReadOnlySpan<byte> bytes)
    {
        var reader = new ProtoReader(bytes);
        if (!reader.TryTag(out ulong field, out int wireType) || field != 1 || wireType != ProtoReader.Varint || !reader.TryVarint(out ulong seconds))
        {
            return false;
        }

        uint? nanoseconds = null;
        if (!reader.AtEnd)
        {
            if (!reader.TryTag(out field, out wireType) || field != 2 || wireType != ProtoReader.Fixed32
                || !reader.TryFixed32(out uint fraction) || fraction > 999_999_999 || !reader.AtEnd)
            {
                return false;
            }

            nanoseconds = fraction;
        }

        fields.Canonical &= reader.Minimal;
        fields.MTime = new UnixFsTime((long)seconds, nanoseconds);
        return true;
    }
}
