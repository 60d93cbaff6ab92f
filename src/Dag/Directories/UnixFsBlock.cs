using Ipcs.Dag.DagPb;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Directories;

/// <summary>Decodes a UnixFS block: a dag-pb node with a UnixFS message.</summary>
internal static class UnixFsBlock
{
    /// <summary>Decodes the node and the message in it.</summary>
    /// <exception cref="DagFormatException">It is not a dag-pb node with UnixFS data.</exception>
    public static (DagPbNode Node, UnixFsData Data) Parse(Cid cid, ReadOnlySpan<byte> block)
    {
        if (cid.Codec != Multicodec.DagPb)
        {
            throw new DagFormatException($"block {cid} has the codec 0x{cid.Codec:x}, which no file or directory has");
        }

        if (!DagPbNode.TryDecode(block, out DagPbNode? node))
        {
            throw new DagFormatException($"block {cid} is not dag-pb");
        }

        return node.Data is not null && UnixFsData.TryDecode(node.Data, out UnixFsData? data)
            ? (node, data)
            : throw new DagFormatException($"block {cid} has no UnixFS data");
    }
}
