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

        var reader = new ProtoReader(block);
        List<DagPbLink>? links = null;
        ReadOnlySpan<byte> previousName = default;
        bool linksClosed = false;
        while (!reader.AtEnd)
        {
            if (!reader.TryTag(out ulong field, out int wireType) || wireType != ProtoReader.Bytes || !reader.TryBytes(out int start, out int length))
            {
                return false;
            }

            if (field == 1 && !fields.HasData)
            {
                fields.HasData = true;
                fields.DataStart = start;
                fields.DataLength = length;
                linksClosed = links is not null;
            }
            else if (field == 2 && !linksClosed)
            {
                links ??= new List<DagPbLink>(Math.Min(MaxGuess, (block.Length / 44) + 1));
                if (links.Count == DagPbNode.MaxLinks || !TryParseLink(block.Slice(start, length), out DagPbLink link, out ReadOnlySpan<byte> name, out bool minimal))
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

        fields.Canonical &= reader.Minimal;
        fields.Links = links is null ? [] : [.. links];
        return true;
    }

    // Lists start no longer than the fan-out of usual files.
    private const int MaxGuess = 256;

    private static bool TryParseLink(ReadOnlySpan<byte> bytes, out DagPbLink link, out ReadOnlySpan<byte> name, out bool minimal)
    {
        link = default;
        name = default;
        minimal = true;
        var reader = new ProtoReader(bytes);
        Cid cid = default;
        ulong last = 0;
        ulong tsize = 0;
        bool hasName = false;
        bool hasTsize = false;
        while (!reader.AtEnd)
        {
            // Each field at most once, and in order: so every field is greater than the last.
            if (!reader.TryTag(out ulong field, out int wireType) || field <= last)
            {
                return false;
            }

            last = field;
            switch (field, wireType)
            {
                case (1, ProtoReader.Bytes):
                    if (!reader.TryBytes(out int start, out int length) || !Cid.TryParse(bytes.Slice(start, length), out cid))
                    {
                        return false;
                    }

                    break;
                case (2, ProtoReader.Bytes):
                    if (!reader.TryBytes(out start, out length) || !Utf8.IsValid(name = bytes.Slice(start, length)))
                    {
                        return false;
                    }

                    hasName = true;
                    break;
                case (3, ProtoReader.Varint):
                    if (!reader.TryVarint(out tsize))
                    {
                        return false;
                    }

                    hasTsize = true;
                    break;
                default:
                    return false;
            }
        }

        minimal = reader.Minimal;
        if (cid.IsDefault)
        {
            return false;
        }

        link = new DagPbLink(cid, name.IsEmpty ? "" : Encoding.UTF8.GetString(name), tsize) { HasName = hasName, HasTsize = hasTsize };
        return true;
    }
}
