using System.Buffers;
using Ipcs.Bitswap.Resolve;
using Ipcs.Blockstore;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.Node.Fleet;

/// <summary>What this node answers when the fleet asks for digests: the index, and DAG roots that lie here without a record.</summary>
internal sealed class FleetIndex(IStore store) : IResolveSource
{
    /// <inheritdoc/>
    public ContentRecord? Resolve(in Digest digest) => store.Contents.Get(digest) ?? LocalDag(digest);

    /// <summary>
    /// A digest that names the root block of a UnixFS file is a content with no record needed (design, section 2);
    /// null when no such block is here, or parts of its DAG are not.
    /// </summary>
    private ContentRecord? LocalDag(in Digest digest)
    {
        if (digest.Hash.Code != Multihash.Sha2_256)
        {
            return null;
        }

        using IMemoryOwner<byte>? block = store.Blocks.Get(digest.Hash);
        if (block is null || !DagFile.TryReadRoot(block.Memory.Span, out long size))
        {
            return null;
        }

        var record = new ContentRecord { Digest = digest, Kind = ContentKind.Dag, Root = Cid.V0(digest.Hash), Size = size };
        return DagVerify.IsComplete(store.Blocks, record.Root) ? record with { Complete = true } : record;
    }
}
