using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Car;

/// <summary>
/// Writes DAGs as a CAR of version 1: a header, then sections of <c>length (varint) | CID | block</c>.
/// Spec: https://ipld.io/specs/transport/car/carv1/.
/// </summary>
public static class CarWriter
{
    /// <summary>
    /// Writes every block under the roots once, depth first, a node before its children: the same DAG always makes the same bytes. Identity
    /// blocks are left out, since their CIDs have them.
    /// </summary>
    /// <param name="roots">At least one.</param>
    /// <param name="source">Where blocks come from.</param>
    /// <param name="destination">Written as the blocks come; not disposed.</param>
    /// <param name="cancellationToken">Stops it, in the middle of the CAR.</param>
    /// <returns>How many blocks were written and how many bytes in all.</returns>
    /// <exception cref="ArgumentException">There are no roots, or too many.</exception>
    /// <exception cref="BlockNotFoundException">A block is not to be had.</exception>
    /// <exception cref="DagFormatException">A block is not what its codec says, or the DAG is over the bounds of <see cref="DagWalk"/>.</exception>
    public static async Task<(long Blocks, long Bytes)> WriteAsync(
        IReadOnlyList<Cid> roots, IBlockSource source, Stream destination, CancellationToken cancellationToken)
    {
        if (roots.Count is 0 or > CarHeader.MaxRoots)
        {
            throw new ArgumentException($"a CAR has 1 to {CarHeader.MaxRoots} roots, not {roots.Count}", nameof(roots));
        }

        byte[] head = new byte[Varint.MaxLength + Cid.MaxLength];
        byte[] header = CarHeader.Encode(roots);
        long bytes = 0;
        long blocks = 0;
        await PutAsync(head.AsMemory(0, Varint.Write(head, (ulong)header.Length)));
        await PutAsync(header);
        await foreach ((Cid cid, ReadOnlyMemory<byte> block) in DagWalk.InOrderAsync(roots, source, DagRefs.ReadAheadOf(source, true), cancellationToken))
        {
            if (cid.Hash.Code == Multihash.Identity)
            {
                continue;
            }

            int length = Varint.Write(head, (ulong)(cid.Length + block.Length));
            length += cid.Write(head.AsSpan(length));
            await PutAsync(head.AsMemory(0, length));
            await PutAsync(block);
            blocks++;
        }

        await destination.FlushAsync(cancellationToken);
        return (blocks, bytes);

        async ValueTask PutAsync(ReadOnlyMemory<byte> piece)
        {
            bytes += piece.Length;
            await destination.WriteAsync(piece, cancellationToken);
        }
    }
}
