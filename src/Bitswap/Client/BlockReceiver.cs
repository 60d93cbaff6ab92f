using System.Buffers;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Compression;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>
/// Verifies received blocks, stores those that are wanted, and counts. Small blocks are stored in groups, so that the scheduler's lock is
/// taken and the next wants are sent once per group. Thread-safe.
/// </summary>
/// <param name="store">Where the blocks go.</param>
/// <param name="wants">Which blocks are wanted.</param>
/// <param name="isLeaf">True for the bytes of a block without links.</param>
/// <param name="announce">Called with the hash and the length of each stored block.</param>
internal sealed class BlockReceiver(
    IBlockstore store, WantManager wants, Predicate<ReadOnlySpan<byte>> isLeaf, Action<Multihash, int> announce)
{
    /// <summary>
    /// A group ends with the block that reaches this length, in bytes: short enough that its first block's reader waits little.
    /// </summary>
    private const int GroupLength = 512 * 1024;

    /// <summary>From this length on, in bytes, a block is written by itself, and writes skip the store's log.</summary>
    private const int BulkLength = 64 * 1024;

    private long _blocks;
    private long _bytes;
    private long _compressed;
    private long _duplicateBlocks;
    private long _duplicateBytes;

    /// <summary>Wanted blocks received.</summary>
    public long Blocks => Interlocked.Read(ref _blocks);

    /// <summary>The bytes of those blocks on the wire.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>How many of those blocks were compressed.</summary>
    public long Compressed => Interlocked.Read(ref _compressed);

    /// <summary>Requested blocks received that were no longer wanted.</summary>
    public long DuplicateBlocks => Interlocked.Read(ref _duplicateBlocks);

    /// <summary>The bytes of those blocks on the wire.</summary>
    public long DuplicateBytes => Interlocked.Read(ref _duplicateBytes);

    /// <summary>Takes the blocks of a message, or of a piece of one. Returns their bytes on the wire.</summary>
    /// <param name="peer">The sender.</param>
    /// <param name="message">The message.</param>
    /// <param name="piece">The piece that has the message's bytes; null when they cannot be shared with a session.</param>
    /// <exception cref="InvalidDataException">
    /// A block cannot be verified or was never requested from this peer. The group that it is in is dropped.
    /// </exception>
    public long Take(PeerId peer, BitswapMessage message, MessagePiece? piece = null)
    {
        long bytes = 0, decompressed = message.DecompressedBefore;
        var group = new List<ReceivedBlock>();
        int length = 0;
        try
        {
            foreach (BlockEntry block in message.Blocks)
            {
                if (block.Compressed
                    && CompressedBlock.TryGetLength(block.Data.Span, out int blockLength)
                    && (decompressed += blockLength) > BitswapMessage.MaxDecompressed)
                {
                    throw new InvalidDataException(
                        $"the compressed blocks of one message have more than {BitswapMessage.MaxDecompressed} bytes when decompressed");
                }

                ReceivedBlock received = Verify(block, piece);
                group.Add(received);
                bytes += block.Data.Length;
                length += received.Length;
                if (length >= GroupLength)
                {
                    Take(peer, group);
                    length = 0;
                }
            }

            Take(peer, group);
            return bytes;
        }
        finally
        {
            Release(group);
        }
    }

    /// <summary>Hashes a block. A compressed block is decompressed for that, and stored as it was received.</summary>
    private ReceivedBlock Verify(BlockEntry entry, MessagePiece? piece)
    {
        IMemoryOwner<byte>? decompressed = entry.Compressed ? CompressedBlock.TryDecompress(entry.Data.Span) : null;
        ReadOnlySpan<byte> block = decompressed is null ? entry.Data.Span : decompressed.Memory.Span;
        if (block.Length > IBlockstore.MaxBlockLength
            || (entry.Compressed && decompressed is null)
            || !Multihash.TryCompute(entry.HashCode, block, out Multihash hash))
        {
            decompressed?.Dispose();
            string what = entry.Compressed ? "decompressed" : "verified";
            throw new InvalidDataException($"a block of {entry.Data.Length} bytes with hash 0x{entry.HashCode:x} cannot be {what}");
        }

        return new ReceivedBlock(entry, hash, isLeaf(block), decompressed, piece);
    }

    /// <summary>
    /// Stores the wanted blocks of a group, and counts all. A false block has a hash that was never requested, or one that is not wanted.
    /// </summary>
    private void Take(PeerId peer, List<ReceivedBlock> group)
    {
        BlockExpectation[] expected = wants.Expects(peer, group);
        int unknown = Array.IndexOf(expected, BlockExpectation.Unknown);
        if (unknown >= 0)
        {
            throw new InvalidDataException(
                $"a block of {group[unknown].Length} bytes hashes to {group[unknown].Hash}, which was never asked of this peer");
        }

        int taken = 0;
        try
        {
            while (taken < group.Count)
            {
                // Consecutive small blocks are one write.
                int end = taken + 1;
                while (end < group.Count && group[taken].Entry.Data.Length < BulkLength && group[end].Entry.Data.Length < BulkLength)
                {
                    end++;
                }

                Store(group, expected, taken, end);
                taken = end;
            }
        }
        finally
        {
            // Also when the store fails: the blocks before the failure are stored.
            Complete(peer, group, expected, taken);
            Release(group);
        }
    }

    // The wants complete last and after the counters, so that a caller whose want has completed sees its block counted.
    private void Complete(PeerId peer, List<ReceivedBlock> group, BlockExpectation[] expected, int taken)
    {
        for (int i = 0; i < taken; i++)
        {
            if (expected[i] == BlockExpectation.Wanted)
            {
                announce(group[i].Hash, group[i].Length);
            }
        }

        wants.Received(peer, group, taken, Count);
    }

    private void Count(ReceivedBlock block, bool wanted)
    {
        int length = block.Entry.Data.Length;
        if (!wanted)
        {
            Interlocked.Increment(ref _duplicateBlocks);
            Interlocked.Add(ref _duplicateBytes, length);
            return;
        }

        Interlocked.Increment(ref _blocks);
        Interlocked.Add(ref _bytes, length);
        if (block.Entry.Compressed)
        {
            Interlocked.Increment(ref _compressed);
        }
    }

    /// <summary>Writes the wanted blocks from <paramref name="start"/> to <paramref name="end"/>: small ones, or a single one.</summary>
    private void Store(List<ReceivedBlock> group, BlockExpectation[] expected, int start, int end)
    {
        var blocks = new List<NewBlock>(end - start);
        int length = 0;
        for (int i = start; i < end; i++)
        {
            if (expected[i] == BlockExpectation.Wanted)
            {
                bool compressed = group[i].Entry.Compressed && store.KeepsCompressed;
                blocks.Add(new NewBlock(group[i].Hash, compressed ? group[i].Entry.Data : group[i].Block, compressed));
                length += blocks[^1].Data.Length;
            }
        }

        // Not durable: blocks that are lost in a crash are fetched again.
        store.PutAll(blocks, bulk: length >= BulkLength);
    }

    private static void Release(List<ReceivedBlock> group)
    {
        foreach (ReceivedBlock block in group)
        {
            block.Dispose();
        }

        group.Clear();
    }
}
