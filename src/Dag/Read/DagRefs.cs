using System.Runtime.CompilerServices;
using Ipcs.Dag.DagPb;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>A link of a DAG.</summary>
/// <param name="Source">The block with the link.</param>
/// <param name="Target">The block it links to.</param>
/// <param name="Name">The name; empty in files.</param>
public readonly record struct DagRef(Cid Source, Cid Target, string Name);

/// <summary>Lists the links of a DAG and measures it.</summary>
public static class DagRefs
{
    /// <summary>
    /// The links of a root, or of everything below it. Each block's links are listed once, however often the block is linked.
    /// </summary>
    /// <param name="root">The root.</param>
    /// <param name="source">Gives the blocks.</param>
    /// <param name="recursive">True to include the links of all blocks below, depth first.</param>
    /// <param name="unique">True to leave out links to blocks that were listed before.</param>
    /// <param name="cancellationToken">Stops the listing.</param>
    /// <exception cref="BlockNotFoundException">A block cannot be found.</exception>
    /// <exception cref="DagFormatException">
    /// A block does not decode as its codec, or the DAG exceeds the bounds of <see cref="DagWalk"/>.
    /// </exception>
    public static async IAsyncEnumerable<DagRef> ListAsync(
        Cid root, IBlockSource source, bool recursive, bool unique, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var listed = new HashSet<Cid>();
        await foreach ((Cid cid, ReadOnlyMemory<byte> block) in DagWalk.InOrderAsync(
            [root], source, ReadAheadOf(source, recursive), cancellationToken))
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
    /// <exception cref="BlockNotFoundException">A block cannot be found.</exception>
    /// <exception cref="DagFormatException">
    /// A block does not decode as its codec, or the DAG exceeds the bounds of <see cref="DagWalk"/>.
    /// </exception>
    public static async Task<(long Blocks, long Size)> MeasureAsync(Cid root, IBlockSource source, CancellationToken cancellationToken)
    {
        long blocks = 0;
        long size = 0;
        await foreach ((_, ReadOnlyMemory<byte> block) in DagWalk.InOrderAsync(
            [root], source, ReadAheadOf(source, true), cancellationToken))
        {
            blocks++;
            size += block.Length;
        }

        return (blocks, size);
    }

    internal static int ReadAheadOf(IBlockSource source, bool more) => source is LocalBlockSource || !more ? 0 : DagReader.MaxReadAhead;
}
