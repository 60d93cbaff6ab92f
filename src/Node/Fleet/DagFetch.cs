using System.Buffers;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Client;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.Node.Fleet;

/// <summary>
/// Gets every block of a DAG into the store, many at a time, in whatever order the session finds best; what is here already is not asked for, so that a
/// fetch that was broken off goes on where it was.
/// </summary>
internal sealed class DagFetch(IBlockstore blocks, BitswapSession session, Cid root)
{
    /// <summary>Blocks wanted at a time: 128 MiB at 256 KiB, what receivers trade among each other at random.</summary>
    private const int Window = 512;

    /// <summary>Blocks from the first that is not here to the last that is wanted: how much is left for a reader in order when the last comes.</summary>
    private const int Span = 2048;

    /// <summary>How often more is wanted while the first is waited for.</summary>
    private static readonly TimeSpan RefillTime = TimeSpan.FromMilliseconds(50);

    private readonly Stack<Cid> _pending = new([root]);
    private readonly HashSet<Cid> _seen = [];
    private readonly Queue<(Cid Cid, Task Here)> _wanted = new();
    private int _outstanding;

    /// <summary>Completes when all of it is here.</summary>
    /// <exception cref="BlockNotFoundException">A block is not to be had.</exception>
    /// <exception cref="DagFormatException">A block is not what its codec says, or the DAG is over the bounds of <see cref="DagWalk"/>.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Want();
            if (!_wanted.TryDequeue(out (Cid Cid, Task Here) next))
            {
                return;
            }

            try
            {
                while (!next.Here.IsCompleted)
                {
                    // Those behind it may come before it.
                    await Task.WhenAny(next.Here, Task.Delay(RefillTime, cancellationToken));
                    cancellationToken.ThrowIfCancellationRequested();
                    Want();
                }

                await next.Here;
            }
            catch (BlockUnavailableException e)
            {
                throw new BlockNotFoundException(next.Cid, e.Message);
            }

            if (next.Cid.Codec != Multicodec.Raw)
            {
                Expand(next.Cid);
            }
        }
    }

    private void Want()
    {
        var batch = new List<Cid>();
        while (Volatile.Read(ref _outstanding) + batch.Count < Window && _wanted.Count + batch.Count < Span && _pending.TryPop(out Cid cid))
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
            IReadOnlyList<Task> tasks = session.WantAhead(batch);
            for (int i = 0; i < batch.Count; i++)
            {
                _wanted.Enqueue((batch[i], tasks[i]));
                if (!tasks[i].IsCompleted)
                {
                    Interlocked.Increment(ref _outstanding);
                    _ = tasks[i].ContinueWith(
                        _ => Interlocked.Decrement(ref _outstanding), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
                }
            }
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
