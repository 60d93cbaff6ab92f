using System.Buffers;
using Ipcs.Bitswap.Client;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.Fleet;

/// <summary>
/// Fetches every block of a DAG into the store, many at a time, in the order that the session chooses. Stored blocks are not requested, so
/// a fetch that was interrupted continues where it was.
/// </summary>
internal sealed class DagFetch(IBlockstore blocks, BitswapSession session, Cid root)
{
    /// <summary>Blocks wanted at a time: 128 MiB at 256 KiB, from which leechers trade at random.</summary>
    private const int Window = 512;

    /// <summary>Blocks that arrive before more are wanted, so that the scheduler is not run for each block.</summary>
    private const int Refill = 64;

    /// <summary>Blocks from the first missing one to the last wanted one: it bounds how far an in-order reader is behind.</summary>
    private const int Span = 2048;

    private readonly Stack<Cid> _pending = new([root]);
    private readonly HashSet<Cid> _seen = [];

    /// <summary>The blocks from the first missing one on, in the order in which they were wanted.</summary>
    private readonly Queue<Cid> _inOrder = new();

    /// <summary>Those of them that are stored.</summary>
    private readonly HashSet<Cid> _here = [];
    private int _outstanding;

    /// <summary>Completes when all blocks are stored.</summary>
    /// <exception cref="BlockNotFoundException">No peer sends a block.</exception>
    /// <exception cref="DagFormatException">A block is malformed, or the DAG is over the bounds of <see cref="DagWalk"/>.</exception>
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
        using IMemoryOwner<byte> block = blocks.Get(cid.Hash)
            ?? throw new BlockNotFoundException(cid, "it was removed right after it arrived");
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
