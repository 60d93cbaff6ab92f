using Ipcs.Dag.DagPb;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>
/// What one block of a file has in it: bytes (that lie at <see cref="DataStart"/> of the block), then children. Its sizes add up, or it is not made.
/// </summary>
internal readonly struct FileBlock
{
    /// <summary>Where the file bytes inside the block start.</summary>
    public int DataStart { get; private init; }

    /// <summary>How many file bytes are inside the block.</summary>
    public int DataLength { get; private init; }

    /// <summary>The children; none for a leaf.</summary>
    public DagPbLink[] Links { get; private init; }

    /// <summary>How many file bytes are below each child.</summary>
    public long[] Sizes { get; private init; }

    /// <summary>The file bytes in and below the block.</summary>
    public long Length { get; private init; }

    /// <summary>True when both encodings are canonical and the length is written.</summary>
    public bool Canonical { get; private init; }

    /// <summary>Reads a block of a file.</summary>
    /// <exception cref="DagFormatException">It is none, or its sizes don't add up.</exception>
    public static FileBlock Parse(Cid cid, ReadOnlySpan<byte> block) => TryParse(cid.Codec, block, out FileBlock value) is { } problem
        ? throw new DagFormatException($"block {cid} {problem}")
        : value;

    /// <summary>Returns null, or what is wrong.</summary>
    public static string? TryParse(uint codec, ReadOnlySpan<byte> block, out FileBlock value)
    {
        value = default;
        if (codec == Multicodec.Raw)
        {
            value = new FileBlock { DataLength = block.Length, Links = [], Sizes = [], Length = block.Length, Canonical = true };
            return null;
        }

        if (codec != Multicodec.DagPb)
        {
            return $"has the codec 0x{codec:x}, which no file has";
        }

        if (!DagPbParser.TryParse(block, out DagPbParser.Fields node))
        {
            return "is not dag-pb";
        }

        ReadOnlySpan<byte> message = block.Slice(node.DataStart, node.DataLength);
        if (!node.HasData || !UnixFsParser.TryParse(message, out UnixFsParser.Fields file))
        {
            return "has no UnixFS data";
        }

        if (file.Type is not (UnixFsType.File or UnixFsType.Raw))
        {
            return $"is a UnixFS {file.Type}, not a file";
        }

        if (node.Links.Length != file.BlockSizes.Length || (file.Type == UnixFsType.Raw && node.Links.Length > 0))
        {
            return $"has {node.Links.Length} links and {file.BlockSizes.Length} block sizes";
        }

        UInt128 total = (UInt128)file.DataLength;
        foreach (long size in file.BlockSizes)
        {
            total += (UInt128)size;
        }

        if (total > long.MaxValue || (file.FileSize is { } said && total != (UInt128)said))
        {
            return $"says that its file has {file.FileSize} bytes, but its parts have {total}";
        }

        value = new FileBlock
        {
            DataStart = node.DataStart + file.DataStart,
            DataLength = file.DataLength,
            Links = node.Links,
            Sizes = file.BlockSizes,
            Length = (long)total,
            Canonical = node.Canonical && file.Canonical && file.FileSize is not null,
        };
        return null;
    }
}
