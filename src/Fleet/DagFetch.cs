using System.Buffers;
using Ipcs.Bitswap.Client;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.Fleet;

/// <summary>
/// Gets every block of a DAG into the store, many at a time, in whatever order the session finds best; what is here already is not asked for, so that a
/// fetch that was broken off goes on where it was.
/// </summary>
internal sealed class DagFetch(IBlockstore blocks, BitswapSession session, Cid root)
{
    /// <summary>Blocks wanted at a time: 128 MiB at 256 KiB, what receivers trade among each other at random.</summary>
    private const int Window = 512;

    /// <summary>More is wanted once so many have come: what is done once for each time is not done for each block.</summary>
    private const int Refill = 64;

    /// <summary>Blocks from the first that is not here to the last that is wanted: how much is left for a reader in order when the last comes.</summary>
    private const int Span = 2048;

    private readonly Stack<Cid> _pending = new([root]);
    private readonly HashSet<Cid> _seen = [];

    /// <summary>Those from the first on that is not here, in the order in which they were wanted.</summary>
    private readonly Queue<Cid> _inOrder = new();

    /// <summary>Those of them that are.</summary>
    private readonly HashSet<Cid> _here = [];
    private int _outstanding;

    /// <summary>Completes when all of it is here.</summary>
    /// <exception cref="BlockNotFoundException">A block is not to be had.</exception>
    /// <exception cref="DagFormatException">A block is not what its codec says, or the DAG is over the bounds of <see cref="DagWalk"/>.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        Want();
        while (_outstanding > 0)
        {
            PrefetchResult block = await session.Results.ReadAsync(cancellationToken);
            do
            {
                Take(block);
            }
            while (session.Results.TryRead(out block));

            if (_outstanding <= Window - Refill)
            {
                Want();
            }
        }
    }

    private void Take(PrefetchResult block)
    {
        if (block.Failure is { } failure)
        {
            throw new BlockNotFoundException(block.Cid, failure.Message);
        }

        _outstanding--;
        _here.Add(block.Cid);
        while (_inOrder.TryPeek(out Cid first) && _here.Remove(first))
        {
            _inOrder.Dequeue();
        }

        if (block.Cid.Codec != Multicodec.Raw && !(block.IsLeaf && block.Cid.Codec == Multicodec.DagPb))
        {
            Expand(block.Cid);
        }
    }

    private void Want()
    {
        var batch = new List<Cid>();
        while (_outstanding + batch.Count < Window && _inOrder.Count + batch.Count < Span && _pending.TryPop(out Cid cid))
        {
            if (cid.Hash.Code == Multihash.Identity || !_seen.Add(cid.ToV1()))
            {
                continue;
            }

            if (_seen.Count > DagWalk.MaxBlocks)
            {
                throw new DagFormatException($"the DAG under {root} has more than {DagWalk.MaxBlocks} blocks");
            }

            batch.Add(cid);
        }

        if (batch.Count > 0)
        {
            _outstanding += batch.Count;
            batch.ForEach(_inOrder.Enqueue);
            session.Prefetch(batch);
        }
    }

    private void Expand(Cid cid)
    {
        using IMemoryOwner<byte> block = blocks.Get(cid.Hash) ?? throw new BlockNotFoundException(cid, "it came and was removed at once");
        foreach (Cid child in DagWalk.Children(cid, block.Memory.Span).Reverse())
        {
            if (_pending.Count == DagWalk.MaxPending)
            {
                throw new DagFormatException($"the DAG under {root} is too wide: more than {DagWalk.MaxPending} blocks wait to be visited");
            }

            _pending.Push(child);
        }
    }
}
