using System.Diagnostics.CodeAnalysis;
using Ipcs.Multiformats;

namespace Ipcs.Dag.UnixFs;

/// <summary>
/// The UnixFS message inside a dag-pb node's data. Spec: https://specs.ipfs.tech/unixfs/, section UnixFS in dag-pb.
/// A null property is an absent field.
/// </summary>
public sealed class UnixFsData
{
    /// <summary>The type of the node.</summary>
    public required UnixFsType Type { get; init; }

    /// <summary>File bytes, a symbolic link's target, or a HAMT's bit field.</summary>
    public byte[]? Data { get; init; }

    /// <summary>The length of the file below this node, in bytes.</summary>
    public long? FileSize { get; init; }

    /// <summary>The number of bytes of the file below each link.</summary>
    public IReadOnlyList<long> BlockSizes { get; init; } = [];

    /// <summary>A HAMT's hash function as a multicodec (0x22, murmur3-x64-64).</summary>
    public ulong? HashType { get; init; }

    /// <summary>A HAMT's fan-out (256).</summary>
    public ulong? Fanout { get; init; }

    /// <summary>POSIX mode.</summary>
    public uint? Mode { get; init; }

    /// <summary>Modification time.</summary>
    public UnixFsTime? MTime { get; init; }

    /// <summary>True when the decoded bytes are those that <see cref="Encode"/> produces.</summary>
    public bool IsCanonical { get; private init; } = true;

    /// <summary>
    /// Decodes the message. Unknown fields, fields in any order and packed block sizes are accepted as not canonical; repeated fields,
    /// sizes over 63 bits and unknown types are refused.
    /// </summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out UnixFsData? value)
    {
        value = null;
        if (!UnixFsParser.TryParse(bytes, out UnixFsParser.Fields fields))
        {
            return false;
        }

        value = new UnixFsData
        {
            Type = fields.Type,
            Data = fields.HasData ? bytes.Slice(fields.DataStart, fields.DataLength).ToArray() : null,
            FileSize = fields.FileSize,
            BlockSizes = fields.BlockSizes,
            HashType = fields.HashType,
            Fanout = fields.Fanout,
            Mode = fields.Mode,
            MTime = fields.MTime,
            IsCanonical = fields.Canonical,
        };
        return true;
    }

    /// <summary>Encodes the message, with fields in the order of their numbers.</summary>
    public byte[] Encode()
    {
        int timeLength = MTime is { } t ? ProtoWriter.VarintFieldLength((ulong)t.Seconds) + (t.Nanoseconds is null ? 0 : 5) : 0;
        int length = ProtoWriter.VarintFieldLength((ulong)Type)
            + (Data is null ? 0 : ProtoWriter.BytesFieldLength(Data.Length))
            + FieldLength((ulong?)FileSize) + FieldLength(HashType) + FieldLength(Fanout) + FieldLength(Mode)
            + (MTime is null ? 0 : ProtoWriter.BytesFieldLength(timeLength));
        foreach (long size in BlockSizes)
        {
            length += ProtoWriter.VarintFieldLength((ulong)size);
        }

        byte[] bytes = new byte[length];
        var writer = new ProtoWriter(bytes);
        writer.VarintField(1, (ulong)Type);
        if (Data is not null)
        {
            writer.BytesField(2, Data);
        }

        Field(ref writer, 3, (ulong?)FileSize);
        foreach (long size in BlockSizes)
        {
            writer.VarintField(4, (ulong)size);
        }

        Field(ref writer, 5, HashType);
        Field(ref writer, 6, Fanout);
        Field(ref writer, 7, Mode);
        if (MTime is { } time)
        {
            writer.BytesHead(8, timeLength);
            writer.VarintField(1, (ulong)time.Seconds);
            if (time.Nanoseconds is { } nanoseconds)
            {
                writer.Fixed32Field(2, nanoseconds);
            }
        }

        return bytes;
    }

    private static int FieldLength(ulong? value) => value is { } v ? ProtoWriter.VarintFieldLength(v) : 0;

    private static void Field(ref ProtoWriter writer, int field, ulong? value)
    {
        if (value is { } v)
        {
            writer.VarintField(field, v);
        }
    }
}
