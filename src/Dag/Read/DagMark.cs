using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>
/// Marks the reachable blocks for a garbage collection, each once, however many roots reach it. Inner nodes are read, raw leaves are not.
/// Nodes missing in the store are skipped, with everything below them, until <see cref="AddLate"/>. For one caller at a time.
/// </summary>
public sealed class DagMark(IBlockstore store)
{
    // Separate from the marks: a block that was reached as raw bytes may be reached as a node later, and then has children.
    private readonly BlockSet _expanded = new();

    // Missing nodes are few, since a fetch gets inner nodes as it needs them: at most DagWalk.MaxPending.
    private List<Multihash> _missing = [];

    /// <summary>The blocks reached so far.</summary>
    public BlockSet Marks { get; } = new();

    /// <summary>Marks one block, not its children.</summary>
    public void AddBlock(Cid cid) => Marks.Add(cid.Hash);

    /// <summary>Marks a root and the blocks below it that the store has.</summary>
    /// <exception cref="DagFormatException">More than <see cref="DagWalk.MaxPending"/> nodes are to be visited.</exception>
    /// <exception cref="StoreException">A node is damaged, so its children are unknown.</exception>
    public void Add(Cid root, CancellationToken cancellationToken)
    {
        var pending = new Stack<Cid>();
        Visit(root, pending);
        Expand(pending, cancellationToken);
    }

    /// <summary>
    /// Marks the blocks below nodes that were missing when they were reached and that the store has by now. Called after the last root: a
    /// DAG that was being fetched when marking began may be complete by now, and a root added later may need it although it reached no new
    /// node.
    /// </summary>
    /// <exception cref="DagFormatException">As <see cref="Add"/>.</exception>
    /// <exception cref="StoreException">As <see cref="Add"/>.</exception>
    public void AddLate(CancellationToken cancellationToken)
    {
        bool any = true;
        while (any)
        {
            List<Multihash> missing = _missing;
            _missing = [];
            any = false;
            foreach (Multihash hash in missing)
            {
                if (store.Has(hash))
                {
                    any = true;
                    Expand(new Stack<Cid>([Cid.V1(Multicodec.DagPb, hash)]), cancellationToken);
                }
                else
                {
                    _missing.Add(hash);
                }
            }
        }
    }

    private void Expand(Stack<Cid> pending, CancellationToken cancellationToken)
    {
        while (pending.TryPop(out Cid node))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (node.Hash.Code == Multihash.Identity)
            {
                VisitChildren(node, node.Hash.Digest, pending);
                continue;
            }

            using IMemoryOwner<byte>? block = store.Get(node.Hash);
            if (block is not null)
            {
                VisitChildren(node, block.Memory.Span, pending);
            }
            else
            {
                _missing.Add(node.Hash);
            }
        }
    }

    private void VisitChildren(Cid node, ReadOnlySpan<byte> block, Stack<Cid> pending)
    {
        IEnumerable<Cid> children;
        try
        {
            children = DagWalk.Children(node, block);
        }
        catch (DagFormatException)
        {
            // Not a dag-pb node in spite of its codec: treated as a leaf.
            return;
        }

        foreach (Cid child in children)
        {
            Visit(child, pending);
        }
    }

    private void Visit(Cid cid, Stack<Cid> pending)
    {
        if (cid.Hash.Code != Multihash.Identity)
        {
            Marks.Add(cid.Hash);
        }

        if (cid.Codec == Multicodec.DagPb && _expanded.Add(cid.Hash))
        {
            if (pending.Count == DagWalk.MaxPending)
            {
                throw new DagFormatException($"the DAG is too wide: more than {DagWalk.MaxPending} nodes wait to be visited");
            }

            pending.Push(cid);
        }
    }
}
