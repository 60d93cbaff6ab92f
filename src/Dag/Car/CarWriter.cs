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
    /// Writes every block under the roots once, depth first, a node before its children, so that the same DAG always gives the same bytes.
    /// Identity blocks are left out, since their CIDs contain them.
    /// </summary>
    /// <param name="roots">The roots, at least one.</param>
    /// <param name="source">Gives the blocks.</param>
    /// <param name="destination">Receives the CAR; not disposed.</param>
    /// <param name="cancellationToken">Stops the export, in the middle of the CAR.</param>
    /// <returns>The number of blocks, and the length of the CAR in bytes.</returns>
    /// <exception cref="ArgumentException">There are no roots, or too many.</exception>
    /// <exception cref="BlockNotFoundException">A block cannot be found.</exception>
    /// <exception cref="DagFormatException">
    /// A block does not decode as its codec, or the DAG exceeds the bounds of <see cref="DagWalk"/>.
    /// </exception>
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
        await foreach ((Cid cid, ReadOnlyMemory<byte> block) in DagWalk.InOrderAsync(
            roots, source, DagRefs.ReadAheadOf(source, true), cancellationToken))
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
