using System.Buffers;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Ipcs.Dag.DagPb;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>Walks whole DAGs of raw and dag-pb blocks: files, directories, shards.</summary>
public static class DagWalk
{
    /// <summary>The most blocks of one DAG: a tebibyte in blocks of 256 KiB, and some 300 MB of memory for what has been seen.</summary>
    public const int MaxBlocks = 1 << 22;

    /// <summary>The most blocks known and not yet visited: ten directories of the greatest size, one in the other.</summary>
    public const int MaxPending = 10 * DagPbNode.MaxLinks;

    /// <summary>The blocks that a block links to, in order; none for raw blocks.</summary>
    /// <exception cref="DagFormatException">The block is not what its codec says, or the codec is neither raw nor dag-pb.</exception>
    public static IEnumerable<Cid> Children(Cid cid, ReadOnlySpan<byte> block)
    {
        if (cid.Codec == Multicodec.Raw)
        {
            return [];
        }

        if (cid.Codec != Multicodec.DagPb)
        {
            throw new DagFormatException($"block {cid} has the codec 0x{cid.Codec:x}, whose links are unknown here");
        }

        if (!DagPbParser.TryParse(block, out DagPbParser.Fields fields))
        {
            throw new DagFormatException($"block {cid} is not dag-pb");
        }

        return Array.ConvertAll(fields.Links, static link => link.Cid);
    }

    /// <summary>True when a block, read as dag-pb, links to no other: for a CID of that codec <see cref="Children"/> has none.</summary>
    public static bool IsLeaf(ReadOnlySpan<byte> block) => DagPbParser.IsLeaf(block);

    /// <summary>
    /// Every block under the roots once, depth first, a node before its children, in the order of its links: always the same order. Blocks ahead
    /// are asked for early.
    /// </summary>
    /// <param name="roots">Where to begin; they come too.</param>
    /// <param name="source">Where blocks come from.</param>
    /// <param name="readAhead">How many blocks are asked for ahead, 0 to <see cref="DagReader.MaxReadAhead"/>.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>Each CID with its block, which is good until the next one is asked for.</returns>
    /// <exception cref="BlockNotFoundException">A block is not to be had.</exception>
    /// <exception cref="DagFormatException">A block is not what its codec says, or the DAG is over its bounds.</exception>
    public static async IAsyncEnumerable<(Cid Cid, ReadOnlyMemory<byte> Block)> InOrderAsync(
        IReadOnlyList<Cid> roots, IBlockSource source, int readAhead, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(readAhead);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(readAhead, DagReader.MaxReadAhead);
        using var ahead = new ReadAhead(source, readAhead);
        var frontier = new Frontier(roots);
        while (frontier.TryTake(out Cid cid))
        {
            cancellationToken.ThrowIfCancellationRequested();
            ValueTask<IMemoryOwner<byte>> pending = ahead.TakeAsync(cid, cancellationToken);
            foreach (Cid next in frontier.Upcoming.Take(readAhead))
            {
                ahead.Ask(next);
            }

            using IMemoryOwner<byte> block = await pending;
            frontier.Add(Children(cid, block.Memory.Span));
            yield return (cid, block.Memory);
        }
    }

    /// <summary>
    /// Gets every block under a root once, depth first and in order as far as parallel asking allows: the file's leaves come about in the order
    /// in which they are read.
    /// </summary>
    /// <param name="root">The root, which is got too.</param>
    /// <param name="source">Where blocks come from; it keeps them if they are to be kept.</param>
    /// <param name="parallelism">How many blocks are asked for at a time, at least 1.</param>
    /// <param name="onBlock">Told of every block and its length in bytes, one at a time.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="BlockNotFoundException">A block is not to be had.</exception>
    /// <exception cref="DagFormatException">A block is not what its codec says, or the DAG is over its bounds.</exception>
    public static async Task FetchAsync(
        Cid root, IBlockSource source, int parallelism, Action<Cid, int>? onBlock, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(parallelism, 1);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var arrived = Channel.CreateUnbounded<(Cid Cid, IMemoryOwner<byte>? Block, int Length, Exception? Error)>(new UnboundedChannelOptions { SingleReader = true });
        var frontier = new Frontier(root);
        int inFlight = 0;
        try
        {
            while (true)
            {
                while (inFlight < parallelism && frontier.TryTake(out Cid next))
                {
                    inFlight++;
                    _ = GetAsync(next);
                }

                if (inFlight == 0)
                {
                    return;
                }

                // Not stopped by the token: every get answers, stopped or not, and its block has to be let go.
                (Cid cid, IMemoryOwner<byte>? block, int length, Exception? error) = await arrived.Reader.ReadAsync(CancellationToken.None);
                inFlight--;
                if (error is not null)
                {
                    System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(error);
                }

                using (block)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    if (block is not null)
                    {
                        frontier.Add(Children(cid, block.Memory.Span));
                    }

                    onBlock?.Invoke(cid, length);
                }
            }
        }
        finally
        {
            await stop.CancelAsync();
            for (; inFlight > 0; inFlight--)
            {
                (await arrived.Reader.ReadAsync(CancellationToken.None)).Block?.Dispose();
            }
        }

        async Task GetAsync(Cid cid)
        {
            try
            {
                // A raw block links to nothing: its bytes, most of a DAG's, are not read.
                IMemoryOwner<byte>? block = cid.Codec == Multicodec.Raw ? null : await BlockGetter.GetAsync(source, cid, stop.Token);
                arrived.Writer.TryWrite((cid, block, block?.Memory.Length ?? await BlockGetter.EnsureAsync(source, cid, stop.Token), null));
            }
            catch (Exception e)
            {
                // Thrown again by the reader, with its trace.
                arrived.Writer.TryWrite((cid, null, 0, e));
            }
        }
    }

    /// <summary>Blocks yet to be visited, the next on top, and all that ever were.</summary>
    internal sealed class Frontier
    {
        private readonly Stack<Cid> _pending = new();
        private readonly HashSet<Cid> _seen = [];

        public Frontier(Cid root) => _pending.Push(root);

        public Frontier(IReadOnlyList<Cid> roots) => Add(roots);

        /// <summary>What will be taken next, as far as it is known and not yet visited.</summary>
        public IEnumerable<Cid> Upcoming => _pending.Where(cid => !_seen.Contains(cid.ToV1()));

        public bool TryTake(out Cid next)
        {
            while (_pending.TryPop(out next))
            {
                // Versions 0 and 1 of a CID are the same block.
                if (_seen.Add(next.ToV1()))
                {
                    return _seen.Count <= MaxBlocks ? true : throw new DagFormatException($"the DAG has more than {MaxBlocks} blocks");
                }
            }

            return false;
        }

        public void Add(IEnumerable<Cid> children)
        {
            foreach (Cid child in children.Reverse())
            {
                if (_pending.Count == MaxPending)
                {
                    throw new DagFormatException($"the DAG is too wide: more than {MaxPending} blocks wait to be visited");
                }

                if (!_seen.Contains(child.ToV1()))
                {
                    _pending.Push(child);
                }
            }
        }
    }
}
