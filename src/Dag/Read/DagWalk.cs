using System.Buffers;
using System.Runtime.CompilerServices;
using Ipcs.Dag.DagPb;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>Traverses DAGs of raw and dag-pb blocks: files, directories, shards.</summary>
public static class DagWalk
{
    /// <summary>The most blocks of one DAG: a tebibyte in blocks of 256 KiB; remembering them takes some 300 MB.</summary>
    public const int MaxBlocks = 1 << 22;

    /// <summary>The most blocks known and not yet visited: ten nested directories of the maximum size.</summary>
    public const int MaxPending = 10 * DagPbNode.MaxLinks;

    /// <summary>The blocks that a block links to, in order; none for raw blocks.</summary>
    /// <exception cref="DagFormatException">The block does not decode as its codec, or the codec is neither raw nor dag-pb.</exception>
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

    /// <summary>True when a block, decoded as dag-pb, has no links.</summary>
    public static bool IsLeaf(ReadOnlySpan<byte> block) => DagPbParser.IsLeaf(block);

    /// <summary>
    /// Every block under the roots once, depth first, a node before its children, and children in the order of links. Requests blocks
    /// ahead.
    /// </summary>
    /// <param name="roots">The roots, which are visited too.</param>
    /// <param name="source">Gives the blocks.</param>
    /// <param name="readAhead">The number of blocks requested ahead, 0 to <see cref="DagReader.MaxReadAhead"/>.</param>
    /// <param name="cancellationToken">Stops the traversal.</param>
    /// <returns>Each CID with its block, which is valid until the next step.</returns>
    /// <exception cref="BlockNotFoundException">A block cannot be found.</exception>
    /// <exception cref="DagFormatException">A block does not decode as its codec, or the DAG exceeds the bounds of this class.</exception>
    public static async IAsyncEnumerable<(Cid Cid, ReadOnlyMemory<byte> Block)> InOrderAsync(
        IReadOnlyList<Cid> roots, IBlockSource source, int readAhead, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(readAhead);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(readAhead, DagReader.MaxReadAhead);
        await using var ahead = new ReadAhead(source, readAhead);
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

    /// <summary>The blocks to visit, the next on top, and all blocks seen so far.</summary>
    internal sealed class Frontier
    {
        private readonly Stack<Cid> _pending = new();
        private readonly HashSet<Cid> _seen = [];

        public Frontier(Cid root) => _pending.Push(root);

        public Frontier(IReadOnlyList<Cid> roots) => Add(roots);

        /// <summary>The blocks to visit next, as far as they are known.</summary>
        public IEnumerable<Cid> Upcoming => _pending.Where(cid => !_seen.Contains(cid.ToV1()));

        public bool TryTake(out Cid next)
        {
            while (_pending.TryPop(out next))
            {
                // CIDs of version 0 and 1 with the same hash name the same block.
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
