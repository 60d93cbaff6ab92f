using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>
/// Marks what is reachable, for a garbage collection: every block once, however many roots reach it. Raw leaves are marked unread; inner
/// nodes are read. What is not here is passed over, with what would be below it. Used by one caller at a time.
/// </summary>
public sealed class DagMark(IBlockstore store)
{
    // Apart from the marks: a block reached as raw bytes may be reached as a node later, and then leads further.
    private readonly BlockSet _expanded = new();

    /// <summary>The blocks reached so far.</summary>
    public BlockSet Marks { get; } = new();

    /// <summary>Marks one block and nothing below it.</summary>
    public void AddBlock(Cid cid) => Marks.Add(cid.Hash);

    /// <summary>Marks a root and all that is here below it.</summary>
    /// <exception cref="DagFormatException">More nodes wait to be visited than <see cref="DagWalk.MaxPending"/>.</exception>
    /// <exception cref="StoreException">A node is damaged: what is below it can't be known.</exception>
    public void Add(Cid root, CancellationToken cancellationToken)
    {
        var pending = new Stack<Cid>();
        Visit(root, pending);
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
            // Bytes under a wrong codec: a leaf, whoever linked to it.
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
