using System.Diagnostics.CodeAnalysis;
using System.Text;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Dag.DagPb;

/// <summary>
/// A dag-pb node (PBNode): links, then data. Spec: https://ipld.io/specs/codecs/dag-pb/spec/, sections Serial Format and
/// Canonical DAG-PB.
/// </summary>
public sealed class DagPbNode
{
    /// <summary>
    /// The most links of a node. A link to a SHA2-256 hash takes some 44 bytes, so the largest block that Bitswap carries has fewer. The
    /// bound is for links to tiny identity hashes, which take much more memory than their bytes in the block.
    /// </summary>
    public const int MaxLinks = 48 * 1024;

    /// <summary>Creates a node with links and data (null for no data field).</summary>
    public DagPbNode(IReadOnlyList<DagPbLink> links, byte[]? data)
    {
        Links = links;
        Data = data;
        IsCanonical = true;
    }

    /// <summary>The data; null when the field is absent.</summary>
    public byte[]? Data { get; }

    /// <summary>The links, in the order of the block.</summary>
    public IReadOnlyList<DagPbLink> Links { get; }

    /// <summary>True when the decoded bytes were the canonical ones: links first, sorted by name, every varint minimal.</summary>
    public bool IsCanonical { get; private init; }

    /// <summary>
    /// Decodes a block. Refuses unknown, repeated, scattered and misordered fields, links without a CID, names that are not UTF-8, more
    /// than <see cref="MaxLinks"/> links and more than <see cref="IBlockstore.MaxBlockLength"/> bytes. Data before links, as in the oldest
    /// nodes, is accepted as not canonical.
    /// </summary>
    public static bool TryDecode(ReadOnlySpan<byte> block, [NotNullWhen(true)] out DagPbNode? node)
    {
        node = null;
        if (!DagPbParser.TryParse(block, out DagPbParser.Fields fields))
        {
            return false;
        }

        byte[]? data = fields.HasData ? block.Slice(fields.DataStart, fields.DataLength).ToArray() : null;
        node = new DagPbNode(fields.Links, data) { IsCanonical = fields.Canonical };
        return true;
    }

    /// <summary>The canonical encoding: links sorted by the bytes of their names (equal names keep their order), then data.</summary>
    public byte[] Encode()
    {
        IReadOnlyList<DagPbLink> links = Sorted(Links);
        int length = Data is null ? 0 : ProtoWriter.BytesFieldLength(Data.Length);
        foreach (DagPbLink link in links)
        {
            length += ProtoWriter.BytesFieldLength(LinkLength(link));
        }

        byte[] block = new byte[length];
        var writer = new ProtoWriter(block);
        foreach (DagPbLink link in links)
        {
            writer.BytesHead(2, LinkLength(link));
            writer.BytesHead(1, link.Cid.Length);
            link.Cid.Write(writer.Space(link.Cid.Length));
            if (link.HasName)
            {
                int nameLength = Encoding.UTF8.GetByteCount(link.Name);
                writer.BytesHead(2, nameLength);
                Encoding.UTF8.GetBytes(link.Name, writer.Space(nameLength));
            }

            if (link.HasTsize)
            {
                writer.VarintField(3, link.Tsize);
            }
        }

        if (Data is not null)
        {
            writer.BytesField(1, Data);
        }

        return block;
    }

    private static int LinkLength(in DagPbLink link) =>
        ProtoWriter.BytesFieldLength(link.Cid.Length)
        + (link.HasName ? ProtoWriter.BytesFieldLength(Encoding.UTF8.GetByteCount(link.Name)) : 0)
        + (link.HasTsize ? ProtoWriter.VarintFieldLength(link.Tsize) : 0);

    private static IReadOnlyList<DagPbLink> Sorted(IReadOnlyList<DagPbLink> links)
    {
        bool named = false;
        foreach (DagPbLink link in links)
        {
            named |= link.Name.Length > 0;
        }

        // Links of files have no names: the common case.
        return named
            ? [.. links
                .Select(link => (Link: link, Key: Encoding.UTF8.GetBytes(link.Name)))
                .OrderBy(pair => pair.Key, ByBytes)
                .Select(pair => pair.Link)]
            : links;
    }

    private static readonly Comparer<byte[]> ByBytes = Comparer<byte[]>.Create((left, right) => left.AsSpan().SequenceCompareTo(right));
}
