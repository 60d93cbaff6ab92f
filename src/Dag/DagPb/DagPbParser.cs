using System.Text;
using System.Text.Unicode;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Dag.DagPb;

/// <summary>
/// The decoder proper: finds links and data in a block without copying the data. Layout:
/// <code>PBNode { Data = 1: bytes; Links = 2: repeated PBLink }  PBLink { Hash = 1: bytes; Name = 2: string; Tsize = 3: uint64 }</code>
/// </summary>
internal static class DagPbParser
{
    /// <summary>What a block has in it. <see cref="DataStart"/> counts from the start of the block.</summary>
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
                if (links.Count == DagPbNode.MaxLinks || !TryParseLink(field.Bytes, out DagPbLink link, out ReadOnlySpan<byte> name, out bool minimal))
                {
                    return false;
                }

                // Names out of order, or data before links, decode but are not how anyone should write them.
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

    /// <summary>True when the block is dag-pb without a link, which its first field tells.</summary>
    public static bool IsLeaf(ReadOnlySpan<byte> block) =>
        block.IsEmpty || (ProtoField.TryRead(ref block, out ProtoField field) && field is { Number: 1, Wire: ProtoField.Counted } && block.IsEmpty);

    // Lists start no longer than the fan-out of usual files.
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
            // Each field at most once, and in order: so every field is greater than the last.
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
