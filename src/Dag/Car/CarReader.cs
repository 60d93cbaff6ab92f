using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Car;

/// <summary>
/// Reads a CAR of version 1 into a store. Memory: one block. The hash of every block is verified before it is stored.
/// Spec: https://ipld.io/specs/transport/car/carv1/.
/// </summary>
public static class CarReader
{
    /// <summary>The longest section in bytes: a CID and the largest block that the store takes.</summary>
    private const int MaxSection = Cid.MaxLength + IBlockstore.MaxBlockLength;

    /// <summary>The size of the read buffer in bytes.</summary>
    private const int BufferLength = 64 * 1024;

    private const string Purpose = "CAR reader";

    /// <summary>Stores every block of the CAR. Blocks stored before an error stay.</summary>
    /// <param name="source">The CAR; read to its end, not disposed.</param>
    /// <param name="store">Takes the blocks.</param>
    /// <param name="cancellationToken">Stops the import.</param>
    /// <exception cref="DagFormatException">
    /// It is not a CAR of version 1, is truncated, or has a block that does not match its CID.
    /// </exception>
    public static async Task<CarImport> ReadAsync(Stream source, IBlockstore store, CancellationToken cancellationToken)
    {
        // Lengths are read byte by byte.
#pragma warning disable CA2000 // disposing the BufferedStream would dispose the caller's stream
        var buffered = new BufferedStream(source, BufferLength);
#pragma warning restore CA2000
        BufferCounts.Rented(Purpose);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferLength);
        try
        {
            int length = await ReadLengthAsync(buffered, CarHeader.MaxLength, 0, cancellationToken)
                ?? throw new DagFormatException("the CAR is empty");
            await FillAsync(buffered, buffer = Grow(buffer, length), length, 0, cancellationToken);
            if (CarHeader.TryDecode(buffer.AsSpan(0, length), out Cid[] roots) is { } problem)
            {
                throw new DagFormatException($"the CAR {problem}");
            }

            long blocks = 0;
            long bytes = 0;
            long offset = Varint.Length((ulong)length) + length;
            while (await ReadLengthAsync(buffered, MaxSection, offset, cancellationToken) is { } section)
            {
                await FillAsync(buffered, buffer = Grow(buffer, section), section, offset, cancellationToken);
                if (Store(buffer.AsSpan(0, section), store, offset) is { } stored)
                {
                    blocks++;
                    bytes += stored;
                }

                offset += Varint.Length((ulong)section) + section;
            }

            return new CarImport(roots, blocks, bytes);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            BufferCounts.Returned(Purpose);
        }
    }

    /// <summary>Returns the block's length; null for identity blocks, which are not stored.</summary>
    private static int? Store(ReadOnlySpan<byte> section, IBlockstore store, long offset)
    {
        if (Cid.TryRead(section, out Cid cid, out int consumed) != OperationStatus.Done)
        {
            throw new DagFormatException($"the CAR has no CID at byte {offset}");
        }

        ReadOnlySpan<byte> block = section[consumed..];
        Multihash hash = cid.Hash;
        if (block.Length > IBlockstore.MaxBlockLength)
        {
            throw new DagFormatException($"the CAR's block {cid} at byte {offset} is longer than {IBlockstore.MaxBlockLength} bytes");
        }

        if (!Multihash.TryCompute(hash.Code, block, out Multihash computed))
        {
            throw new DagFormatException($"the CAR's block {cid} at byte {offset} has a hash that is not computed here, 0x{hash.Code:x}");
        }

        if (computed != hash)
        {
            throw new DagFormatException($"the CAR's block {cid} at byte {offset} does not have that hash");
        }

        if (hash.Code == Multihash.Identity)
        {
            return null;
        }

        store.Put(hash, block);
        return block.Length;
    }

    /// <summary>Reads a length from 1 to <paramref name="max"/>; null at the end of the stream.</summary>
    private static async ValueTask<int?> ReadLengthAsync(BufferedStream stream, int max, long offset, CancellationToken cancellationToken)
    {
        byte[] one = new byte[Varint.MaxLength];
        for (int i = 0; i < one.Length; i++)
        {
            if (await stream.ReadAsync(one.AsMemory(i, 1), cancellationToken) == 0)
            {
                return i == 0 ? null : throw CutOff(offset);
            }

            if (one[i] >= 0x80)
            {
                continue;
            }

            if (Varint.TryRead(one.AsSpan(0, i + 1), out ulong value, out _) != OperationStatus.Done || value == 0 || value > (ulong)max)
            {
                break;
            }

            return (int)value;
        }

        throw new DagFormatException($"the CAR has no length of 1 to {max} at byte {offset}");
    }

    private static async ValueTask FillAsync(
        BufferedStream stream, byte[] buffer, int length, long offset, CancellationToken cancellationToken)
    {
        if (await stream.ReadAtLeastAsync(buffer.AsMemory(0, length), length, throwOnEndOfStream: false, cancellationToken) < length)
        {
            throw CutOff(offset);
        }
    }

    private static byte[] Grow(byte[] buffer, int length)
    {
        if (buffer.Length >= length)
        {
            return buffer;
        }

        ArrayPool<byte>.Shared.Return(buffer);
        return ArrayPool<byte>.Shared.Rent(length);
    }

    private static DagFormatException CutOff(long offset) => new($"the CAR is cut off in the section at byte {offset}");
}
