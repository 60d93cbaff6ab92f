using System.Runtime.CompilerServices;
using Ipcs.Dag.DagPb;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>A link of a DAG.</summary>
/// <param name="Source">The block that has it.</param>
/// <param name="Target">What it leads to.</param>
/// <param name="Name">Its name; empty in files.</param>
public readonly record struct DagRef(Cid Source, Cid Target, string Name);

/// <summary>What a DAG refers to, and how large it is.</summary>
public static class DagRefs
{
    /// <summary>
    /// The links of a root, or of everything below it. Each block's links are listed once, however often the block is linked.
    /// </summary>
    /// <param name="root">Whose links.</param>
    /// <param name="source">Where blocks come from.</param>
    /// <param name="recursive">True for the links of everything below too, depth first.</param>
    /// <param name="unique">True to leave out links to what has been listed.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="BlockNotFoundException">A block is not to be had.</exception>
    /// <exception cref="DagFormatException">A block is not what its codec says, or the DAG is over the bounds of <see cref="DagWalk"/>.</exception>
    public static async IAsyncEnumerable<DagRef> ListAsync(
        Cid root, IBlockSource source, bool recursive, bool unique, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var listed = new HashSet<Cid>();
        await foreach ((Cid cid, ReadOnlyMemory<byte> block) in DagWalk.InOrderAsync([root], source, ReadAheadOf(source, recursive), cancellationToken))
        {
            if (cid.Codec == Multicodec.DagPb && DagPbParser.TryParse(block.Span, out DagPbParser.Fields fields))
            {
                foreach (DagPbLink link in fields.Links)
                {
                    if (!unique || listed.Add(link.Cid))
                    {
                        yield return new DagRef(cid, link.Cid, link.Name);
                    }
                }
            }

            if (!recursive)
            {
                yield break;
            }
        }
    }

    /// <summary>Counts the blocks of a DAG and their bytes, each block once.</summary>
    /// <exception cref="BlockNotFoundException">A block is not to be had.</exception>
    /// <exception cref="DagFormatException">A block is not what its codec says, or the DAG is over the bounds of <see cref="DagWalk"/>.</exception>
    public static async Task<(long Blocks, long Size)> MeasureAsync(Cid root, IBlockSource source, CancellationToken cancellationToken)
    {
        long blocks = 0;
        long size = 0;
        await foreach ((_, ReadOnlyMemory<byte> block) in DagWalk.InOrderAsync([root], source, ReadAheadOf(source, true), cancellationToken))
        {
            blocks++;
            size += block.Length;
        }

        return (blocks, size);
    }

    internal static int ReadAheadOf(IBlockSource source, bool more) => source is LocalBlockSource || !more ? 0 : DagReader.MaxReadAhead;
}
