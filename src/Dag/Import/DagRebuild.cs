using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Import;

/// <summary>
/// Builds the DAG that a file has with a profile from the leaves of another DAG of the file, without reading them: the two differ in inner
/// nodes only, or not at all.
/// </summary>
public static class DagRebuild
{
    /// <summary>
    /// Stores the inner nodes of the DAG. Returns null when an import of the bytes could have other leaves, or when a block is missing or
    /// has not the length that its parent states; inner nodes stored by then are garbage.
    /// </summary>
    /// <param name="store">Has the leaves, and takes the inner nodes.</param>
    /// <param name="root">The root of a DAG of the file.</param>
    /// <param name="profile">The form of the new DAG. For others than raw leaves of a fixed length the result is null.</param>
    /// <exception cref="StoreException">An inner node is damaged, or the store failed.</exception>
    public static DagRoot? TryBuild(IBlockstore store, Cid root, ImportProfile profile)
    {
        if (!LeafAssembly.CanAssemble(profile) || profile.Chunker.FixedLength is not { } chunk)
        {
            return null;
        }

        var assembly = new LeafAssembly(store, profile);
        bool ended = false;
        int visited = 0;

        // The next block of the file is on top. A peer can have made the DAG, and blocks may be linked repeatedly: so lengths are compared
        // with that of the root, which is bounded, and visits are counted.
        long maxLength = (long)DagWalk.MaxBlocks * chunk;
        var pending = new Stack<(Cid Cid, long? Size)>([(root, null)]);
        while (pending.TryPop(out (Cid Cid, long? Size) next))
        {
            if (++visited > DagWalk.MaxBlocks)
            {
                return null;
            }

            if (next.Cid.Codec != Multicodec.Raw)
            {
                if (!TryExpand(store, next.Cid, next.Size, maxLength, pending))
                {
                    return null;
                }

                continue;
            }

            if (ended || next.Cid.Hash.Code != Multihash.Sha2_256
                || !store.TryGetLength(next.Cid.Hash, out int length)
                || length != (next.Size ?? length)
                || length > chunk
                || (length == 0 && next.Cid != root))
            {
                return null;
            }

            // Only the last leaf is shorter.
            ended = length < chunk;
            assembly.Add(next.Cid, length);
        }

        return assembly.Finish();
    }

    /// <summary>Puts the children of an inner node in its place. False when it is none, or states another length than its parent.</summary>
    private static bool TryExpand(
        IBlockstore store, Cid cid, long? size, long maxLength, Stack<(Cid Cid, long? Size)> pending)
    {
        using IMemoryOwner<byte>? block = store.Get(cid.Hash);
        if (block is null
            || FileBlock.TryParse(cid.Codec, block.Memory.Span, out FileBlock node) is not null
            || node.Links.Length == 0 || node.DataLength > 0 || node.Length != (size ?? node.Length) || node.Length > maxLength
            || pending.Count + node.Links.Length > DagWalk.MaxPending)
        {
            return false;
        }

        for (int i = node.Links.Length - 1; i >= 0; i--)
        {
            pending.Push((node.Links[i].Cid, node.Sizes[i]));
        }

        return true;
    }
}
