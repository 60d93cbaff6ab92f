using System.Text;
using System.Text.Unicode;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Dag.DagPb;

/// <summary>
/// Finds links and data in a block without copying the data. Layout:
/// <code>PBNode { Data = 1: bytes; Links = 2: repeated PBLink }  PBLink { Hash = 1: bytes; Name = 2: string; Tsize = 3: uint64 }</code>
/// </summary>
internal static class DagPbParser
{
    /// <summary>The parts of a block. <see cref="DataStart"/> is an offset in the block.</summary>
    internal struct Fields
    {
        public DagPbLink[] Links;
        public bool HasData;
        public int DataStart;
        public int DataLength;
        public bool Canonical;
    }

    public static bool TryParse(ReadOnlySpan<byte> block, out Fields fields)
    {
        fields = new Fields { Links = [], Canonical = true };
        if (block.Length > IBlockstore.MaxBlockLength)
        {
            return false;
        }

        ReadOnlySpan<byte> left = block;
        List<DagPbLink>? links = null;
        ReadOnlySpan<byte> previousName = default;
        bool linksClosed = false;
        while (!left.IsEmpty)
        {
            if (!ProtoField.TryRead(ref left, out ProtoField field) || field.Wire != ProtoField.Counted)
            {
                return false;
            }

            fields.Canonical &= field.IsMinimal;
            if (field.Number == 1 && !fields.HasData)
            {
                fields.HasData = true;
                fields.DataStart = block.Length - left.Length - field.Bytes.Length;
                fields.DataLength = field.Bytes.Length;
                linksClosed = links is not null;
            }
            else if (field.Number == 2 && !linksClosed)
            {
                links ??= new List<DagPbLink>(Math.Min(MaxGuess, (block.Length / 44) + 1));
                if (links.Count == DagPbNode.MaxLinks
                    || !TryParseLink(field.Bytes, out DagPbLink link, out ReadOnlySpan<byte> name, out bool minimal))
                {
                    return false;
                }

                // Names out of order and data before links decode, but are not canonical.
                fields.Canonical &= minimal && !fields.HasData && (links.Count == 0 || previousName.SequenceCompareTo(name) <= 0);
                previousName = name;
                links.Add(link);
            }
            else
            {
                return false;
            }
        }

        fields.Links = links is null ? [] : [.. links];
        return true;
    }

    /// <summary>True when the block is a dag-pb node without links, as its first field shows.</summary>
    public static bool IsLeaf(ReadOnlySpan<byte> block) =>
        block.IsEmpty
        || (ProtoField.TryRead(ref block, out ProtoField field)
            && field is { Number: 1, Wire: ProtoField.Counted }
            && block.IsEmpty);

    // The initial capacity is at most the fan-out of usual files.
    private const int MaxGuess = 256;

    private static bool TryParseLink(ReadOnlySpan<byte> bytes, out DagPbLink link, out ReadOnlySpan<byte> name, out bool minimal)
    {
        link = default;
        name = default;
        minimal = true;
        Cid cid = default;
        int last = 0;
        ulong tsize = 0;
        bool hasName = false;
        bool hasTsize = false;
        while (!bytes.IsEmpty)
        {
            // Each field occurs at most once, in ascending order.
            if (!ProtoField.TryRead(ref bytes, out ProtoField field) || field.Number <= last)
            {
                return false;
            }

            last = field.Number;
            minimal &= field.IsMinimal;
            switch (last, field.Wire)
            {
                case (1, ProtoField.Counted) when Cid.TryParse(field.Bytes, out cid):
                    break;
                case (2, ProtoField.Counted) when Utf8.IsValid(field.Bytes):
                    name = field.Bytes;
                    hasName = true;
                    break;
                case (3, ProtoField.Varint):
                    tsize = field.Value;
                    hasTsize = true;
                    break;
                default:
                    return false;
            }
        }

        if (cid.IsDefault)
        {
            return false;
        }

        link = new DagPbLink(cid, name.IsEmpty ? "" : Encoding.UTF8.GetString(name), tsize) { HasName = hasName, HasTsize = hasTsize };
        return true;
    }
}
