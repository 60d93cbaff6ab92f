using Ipcs.Dag.DagPb;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>
/// The parts of one block of a file: file bytes at <see cref="DataStart"/>, then children. Its sizes are consistent.
/// </summary>
internal readonly struct FileBlock
{
    /// <summary>The offset in the block of the file bytes inside it.</summary>
    public int DataStart { get; private init; }

    /// <summary>The number of file bytes inside the block.</summary>
    public int DataLength { get; private init; }

    /// <summary>The children; none for a leaf.</summary>
    public DagPbLink[] Links { get; private init; }

    /// <summary>The number of file bytes below each child.</summary>
    public long[] Sizes { get; private init; }

    /// <summary>The number of file bytes in and below the block.</summary>
    public long Length { get; private init; }

    /// <summary>True when dag-pb and UnixFS encodings are canonical and have the file size.</summary>
    public bool Canonical { get; private init; }

    /// <summary>Decodes a block of a file.</summary>
    /// <exception cref="DagFormatException">It is not a block of a file, or its sizes are inconsistent.</exception>
    public static FileBlock Parse(Cid cid, ReadOnlySpan<byte> block) => TryParse(cid.Codec, block, out FileBlock value) is { } problem
        ? throw new DagFormatException($"block {cid} {problem}")
        : value;

    /// <summary>Returns null, or the problem.</summary>
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
