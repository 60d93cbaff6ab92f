using System.Buffers;
using System.Text;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.Read;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Directories;

/// <summary>The properties of a UnixFS node that its block has.</summary>
/// <param name="Cid">The node.</param>
/// <param name="Type">File (raw blocks too), Directory, HamtShard or Symlink.</param>
/// <param name="Size">The file's length in bytes; 0 for anything else.</param>
/// <param name="CumulativeSize">The size of the block and all below it in bytes, as the block's author claims.</param>
/// <param name="Links">The number of links of the block.</param>
/// <param name="Target">A symbolic link's target; null for anything else.</param>
/// <param name="Mode">POSIX mode; null when the field is absent.</param>
/// <param name="MTime">Modification time; null when the field is absent.</param>
public sealed record UnixFsStat(
    Cid Cid, UnixFsType Type, long Size, ulong CumulativeSize, int Links, string? Target, uint? Mode, UnixFsTime? MTime)
{
    /// <summary>True for directories, sharded or not.</summary>
    public bool IsDirectory => Type is UnixFsType.Directory or UnixFsType.HamtShard;

    /// <summary>Gets a node's block and decodes it.</summary>
    /// <exception cref="BlockNotFoundException">The block cannot be found.</exception>
    /// <exception cref="DagFormatException">It is not a UnixFS node, or its fields are inconsistent.</exception>
    public static async ValueTask<UnixFsStat> GetAsync(Cid cid, IBlockSource source, CancellationToken cancellationToken)
    {
        using IMemoryOwner<byte> block = await BlockGetter.GetAsync(source, cid, cancellationToken);
        return Parse(cid, block.Memory.Span);
    }

    /// <summary>Decodes a block.</summary>
    /// <exception cref="DagFormatException">It is not a UnixFS node, or its fields are inconsistent.</exception>
    public static UnixFsStat Parse(Cid cid, ReadOnlySpan<byte> block)
    {
        if (cid.Codec == Multicodec.Raw)
        {
            return new UnixFsStat(cid, UnixFsType.File, block.Length, (ulong)block.Length, 0, null, null, null);
        }

        (DagPbNode node, UnixFsData data) = UnixFsBlock.Parse(cid, block);
        ulong cumulative = (ulong)block.Length;
        foreach (DagPbLink link in node.Links)
        {
            // Sizes are only claims of the author: a sum that overflows is not an error here.
            cumulative = ulong.MaxValue - cumulative < link.Tsize ? ulong.MaxValue : cumulative + link.Tsize;
        }

        return data.Type switch
        {
            UnixFsType.File or UnixFsType.Raw => Of(UnixFsType.File, FileBlock.Parse(cid, block).Length, null),
            UnixFsType.Directory or UnixFsType.HamtShard => Of(data.Type, 0, null),
            UnixFsType.Symlink => Of(data.Type, 0, TargetOf(cid, data)),
            _ => throw new DagFormatException($"block {cid} is a UnixFS {data.Type}, which is neither file nor directory"),
        };

        UnixFsStat Of(UnixFsType type, long size, string? target) =>
            new(cid, type, size, cumulative, node.Links.Count, target, data.Mode, data.MTime);
    }

    private static string TargetOf(Cid cid, UnixFsData data) =>
        data.Data is { Length: > 0 and <= DirectoryBuilder.MaxTargetLength } bytes
        && !bytes.AsSpan().Contains((byte)0)
        && System.Text.Unicode.Utf8.IsValid(bytes)
            ? Encoding.UTF8.GetString(bytes)
            : throw new DagFormatException($"symbolic link {cid} has no legal target");
}
