using System.Buffers;
using System.Text;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.Read;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Directories;

/// <summary>What a UnixFS node is, from its one block.</summary>
/// <param name="Cid">The node.</param>
/// <param name="Type">File (raw blocks too), Directory, HamtShard or Symlink.</param>
/// <param name="Size">The file's length in bytes; 0 for anything else.</param>
/// <param name="CumulativeSize">The block and all below it, in bytes, as the block's maker claims.</param>
/// <param name="Links">How many links the block has.</param>
/// <param name="Target">A symbolic link's target; null for anything else.</param>
/// <param name="Mode">POSIX mode; null when it is not written.</param>
/// <param name="MTime">Modification time; null when it is not written.</param>
public sealed record UnixFsStat(
    Cid Cid, UnixFsType Type, long Size, ulong CumulativeSize, int Links, string? Target, uint? Mode, UnixFsTime? MTime)
{
    /// <summary>True for directories, sharded or not.</summary>
    public bool IsDirectory => Type is UnixFsType.Directory or UnixFsType.HamtShard;

    /// <summary>Gets a node's block and says what it is.</summary>
    /// <exception cref="BlockNotFoundException">The block is not to be had.</exception>
    /// <exception cref="DagFormatException">It is no UnixFS node, or one that says things that don't agree.</exception>
    public static async ValueTask<UnixFsStat> GetAsync(Cid cid, IBlockSource source, CancellationToken cancellationToken)
    {
        using IMemoryOwner<byte> block = await BlockGetter.GetAsync(source, cid, cancellationToken);
        return Parse(cid, block.Memory.Span);
    }

    /// <summary>Says what a block is.</summary>
    /// <exception cref="DagFormatException">It is no UnixFS node, or one that says things that don't agree.</exception>
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
            // Sizes are claims: one that is too great must not be an error here.
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
        data.Data is { Length: > 0 and <= DirectoryBuilder.MaxTargetLength } bytes && !bytes.AsSpan().Contains((byte)0) && System.Text.Unicode.Utf8.IsValid(bytes)
            ? Encoding.UTF8.GetString(bytes)
            : throw new DagFormatException($"symbolic link {cid} has no legal target");
}
