using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>
/// Marks what is reachable, for a garbage collection: every block once, however many roots reach it. Raw leaves are marked unread; inner
/// nodes are read. What is not here is passed over, with what would be below it, until <see cref="AddLate"/>. Used by one caller at a time.
/// </summary>
public sealed class DagMark(IBlockstore store)
{
    // Apart from the marks: a block reached as raw bytes may be reached as a node later, and then leads further.
    private readonly BlockSet _expanded = new();

    // A fetch takes inner nodes as it needs them, so that these are few: no more than DagWalk.MaxPending of each.
    private List<Multihash> _missing = [];

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
        Expand(pending, cancellationToken);
    }

    /// <summary>
    /// Marks what is below nodes that were not here when they were reached and are by now: to be called after the last root. What was fetched when the marking
    /// began may have been completed meanwhile, by whoever, and be needed by a root that was added later and led to nothing new.
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
