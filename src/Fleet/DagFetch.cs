using System.Buffers;
using System.Diagnostics;
using Ipcs.Bitswap.Client;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.Fleet;

/// <summary>
/// Fetches every block of a DAG into the store, many at a time. Blocks are wanted in the order in which a reader needs them; the session
/// chooses which of them it requests first. Stored blocks are not requested, so a fetch that was interrupted continues where it was.
/// </summary>
/// <param name="blocks">The store.</param>
/// <param name="session">The session, used by this fetch alone.</param>
/// <param name="root">The root of the DAG.</param>
/// <param name="onArrived">
/// Called for each stored block, in the order of arrival. Takes the block's bytes, when they are still in memory.
/// </param>
internal sealed class DagFetch(
    IBlockstore blocks, BitswapSession session, Cid root, Action<Cid, IMemoryOwner<byte>?> onArrived)
{
    /// <summary>Blocks wanted at a time: 128 MiB at 256 KiB, from which leechers trade at random.</summary>
    private const int Window = 512;

    /// <summary>Blocks that arrive before more are wanted, so that the scheduler is not run for each block.</summary>
    private const int Refill = 64;

    /// <summary>Blocks from the first missing one to the last wanted one: it bounds how far an in-order reader is behind.</summary>
    private const int Span = 2048;

    /// <summary>
    /// In the order of the DAG: the blocks that are known and not wanted yet, and those that are wanted and whose children will take their
    /// place.
    /// </summary>
    private readonly LinkedList<Pending> _pending = new([new Pending(root)]);

    /// <summary>The places of the wanted ones of them, by CIDs of version 1.</summary>
    private readonly Dictionary<Cid, LinkedListNode<Pending>> _places = [];
    private readonly HashSet<Cid> _seen = [];

    /// <summary>The blocks from the first missing one on, in the order in which they were wanted.</summary>
    private readonly Queue<Cid> _inOrder = new();

    /// <summary>Those of them that are stored.</summary>
    private readonly HashSet<Cid> _here = [];
    private int _outstanding;

    /// <summary>Called with the blocks before they are requested; null when nothing is to be done then.</summary>
    public Action<IReadOnlyList<Cid>>? OnRequest { get; init; }

    /// <summary>Completes when more blocks may be wanted; null when they always may.</summary>
    public Func<CancellationToken, ValueTask>? WaitForRoom { get; init; }

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
                if (WaitForRoom is not null)
                {
                    await WaitForRoom(cancellationToken);
                }

                Want();
            }
        }
    }

    private void Take(PrefetchResult block)
    {
        if (block.Failure is { } failure)
        {
            Debug.Assert(block.Block is null, "a block that failed has no bytes");
            throw new BlockNotFoundException(block.Cid, failure.Message, failure);
        }

        _outstanding--;
        _here.Add(block.Cid);
        while (_inOrder.TryPeek(out Cid first) && _here.Remove(first))
        {
            _inOrder.Dequeue();
        }

        try
        {
            if (_places.Remove(block.Cid.ToV1(), out LinkedListNode<Pending>? place))
            {
                if (!(block.IsLeaf && block.Cid.Codec == Multicodec.DagPb))
                {
                    Expand(place, block.Block);
                }

                _pending.Remove(place);
            }
        }
        catch
        {
            block.Block?.Dispose();
            throw;
        }

        onArrived(block.Cid, block.Block);
    }

    private void Want()
    {
        var batch = new List<Cid>();
        LinkedListNode<Pending>? place = _pending.First;
        while (place is not null && _outstanding + batch.Count < Window && _inOrder.Count + batch.Count < Span)
        {
            if (place.Value.IsWanted)
            {
                place = place.Next;
                continue;
            }

            Cid cid = place.Value.Cid;
            bool isNew = _seen.Add(cid.ToV1());
            if (_seen.Count > DagWalk.MaxBlocks)
            {
                throw new DagFormatException($"the DAG under {root} has more than {DagWalk.MaxBlocks} blocks");
            }

            LinkedListNode<Pending> here = place;
            bool isInside = cid.Hash.Code == Multihash.Identity;
            if (isNew && isInside)
            {
                // The CID has the block's bytes.
                Expand(here, cid, cid.Hash.Digest);
            }
            else if (isNew)
            {
                batch.Add(cid);
            }

            place = here.Next;
            if (isNew && !isInside && cid.Codec != Multicodec.Raw)
            {
                here.Value = here.Value with { IsWanted = true };
                _places.Add(cid.ToV1(), here);
            }
            else
            {
                _pending.Remove(here);
            }
        }

        if (batch.Count > 0)
        {
            _outstanding += batch.Count;
            batch.ForEach(_inOrder.Enqueue);
            OnRequest?.Invoke(batch);
            session.Prefetch(batch);
        }
    }

    /// <summary>Inserts the children of a block that has arrived after its place.</summary>
    private void Expand(LinkedListNode<Pending> place, IMemoryOwner<byte>? bytes)
    {
        Cid cid = place.Value.Cid;
        if (bytes is not null)
        {
            Expand(place, cid, bytes.Memory.Span);
            return;
        }

        using IMemoryOwner<byte> block = blocks.Get(cid.Hash)
            ?? throw new BlockNotFoundException(cid, "it was removed right after it arrived");
        Expand(place, cid, block.Memory.Span);
    }

    private void Expand(LinkedListNode<Pending> place, Cid cid, ReadOnlySpan<byte> block)
    {
        foreach (Cid child in DagWalk.Children(cid, block))
        {
            if (_pending.Count == DagWalk.MaxPending)
            {
                throw new DagFormatException($"the DAG under {root} is too wide: more than {DagWalk.MaxPending} blocks wait to be visited");
            }

            place = _pending.AddAfter(place, new Pending(child));
        }
    }

    private readonly record struct Pending(Cid Cid, bool IsWanted = false);
}
