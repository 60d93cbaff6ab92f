using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>Finds which blocks of a DAG a local store has.</summary>
public static class DagVerify
{
    /// <summary>True when every block under the root is in the store. Reads inner nodes; only looks up raw leaves.</summary>
    /// <exception cref="DagFormatException">The DAG exceeds the bounds of <see cref="DagWalk"/>.</exception>
    public static bool IsComplete(IBlockstore store, Cid root, CancellationToken cancellationToken = default) =>
        !Missing(store, root, cancellationToken).Any();

    /// <summary>The known blocks under the root that the store does not have or cannot read.</summary>
    /// <exception cref="DagFormatException">The DAG exceeds the bounds of <see cref="DagWalk"/>.</exception>
    public static IEnumerable<Cid> Missing(IBlockstore store, Cid root, CancellationToken cancellationToken = default)
    {
        foreach ((Cid cid, bool here) in Walk(store, root, cancellationToken))
        {
            if (!here)
            {
                yield return cid;
            }
        }
    }

    /// <summary>The blocks under the root that the store has, each once: those that a garbage collection must keep.</summary>
    /// <exception cref="DagFormatException">The DAG exceeds the bounds of <see cref="DagWalk"/>.</exception>
    public static IEnumerable<Cid> Reachable(IBlockstore store, Cid root, CancellationToken cancellationToken = default)
    {
        foreach ((Cid cid, bool here) in Walk(store, root, cancellationToken))
        {
            if (here)
            {
                yield return cid;
            }
        }
    }

    /// <summary>True when one of some blocks is under the root, or when a node above them cannot be read. Reads no raw leaves.</summary>
    public static bool Reaches(
        IBlockstore store, Cid root, IReadOnlySet<Multihash> blocks, CancellationToken cancellationToken = default)
    {
        var frontier = new DagWalk.Frontier(root);
        try
        {
            while (frontier.TryTake(out Cid cid))
            {
                cancellationToken.ThrowIfCancellationRequested();
                Multihash hash = cid.Hash;
                if (blocks.Contains(hash))
                {
                    return true;
                }

                if (cid.Codec != Multicodec.Raw
                    && !(hash.Code == Multihash.Identity ? TryChildren(cid, hash.Digest, frontier) : TryExpand(store, cid, frontier)))
                {
                    return true;
                }
            }
        }
        catch (Exception e) when (e is StoreException or DagFormatException)
        {
            return true;
        }

        return false;
    }

    private static IEnumerable<(Cid Cid, bool Here)> Walk(IBlockstore store, Cid root, CancellationToken cancellationToken)
    {
        var frontier = new DagWalk.Frontier(root);
        while (frontier.TryTake(out Cid cid))
        {
            cancellationToken.ThrowIfCancellationRequested();
            Multihash hash = cid.Hash;
            bool identity = hash.Code == Multihash.Identity;
            bool here = identity || cid.Codec == Multicodec.Raw ? identity || store.Has(hash) : TryExpand(store, cid, frontier);
            if (identity && cid.Codec == Multicodec.DagPb)
            {
                here = TryChildren(cid, hash.Digest, frontier);
            }

            yield return (cid, here);
        }
    }

    private static bool TryExpand(IBlockstore store, Cid cid, DagWalk.Frontier frontier)
    {
        using IMemoryOwner<byte>? block = store.Get(cid.Hash);
        return block is not null && TryChildren(cid, block.Memory.Span, frontier);
    }

    private static bool TryChildren(Cid cid, ReadOnlySpan<byte> block, DagWalk.Frontier frontier)
    {
        IEnumerable<Cid> children;
        try
        {
            children = DagWalk.Children(cid, block);
        }
        catch (DagFormatException)
        {
            return false;
        }

        frontier.Add(children);
        return true;
    }
}
