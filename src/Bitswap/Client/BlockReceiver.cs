using System.Buffers;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Compression;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>
/// Checks the blocks that come, stores those that are wanted, and counts. Small blocks are taken some at a time, so that what is once for each time (turns of
/// the want wants, the next wants' messages) is not for each block. Thread-safe.
/// </summary>
internal sealed class BlockReceiver(IBlockstore store, WantManager wants, Predicate<ReadOnlySpan<byte>> isLeaf, Action<Multihash, int> announce)
{
    /// <summary>Bytes of blocks taken at a time, and a block more: no wait for those who wait for the first of them, and little memory.</summary>
    private const int Together = 512 * 1024;

    /// <summary>From this length on a block is stored by itself, and what is stored at a time goes past the store's log: what a fetch of much is made of.</summary>
    private const int BulkFrom = 64 * 1024;

    private long _blocks;
    private long _bytes;
    private long _compressed;
    private long _duplicateBlocks;
    private long _duplicateBytes;

    /// <summary>Wanted blocks that have come.</summary>
    public long Blocks => Interlocked.Read(ref _blocks);

    /// <summary>Their bytes, as they came.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Those of them that came packed.</summary>
    public long Compressed => Interlocked.Read(ref _compressed);

    /// <summary>Blocks that came and were not wanted any more.</summary>
    public long DuplicateBlocks => Interlocked.Read(ref _duplicateBlocks);

    /// <summary>Their bytes.</summary>
    public long DuplicateBytes => Interlocked.Read(ref _duplicateBytes);

    /// <summary>Takes the blocks of a message, or of a piece of one. Returns their bytes.</summary>
    /// <exception cref="InvalidDataException">One can't be checked, or was never asked of this peer: what came with it is dropped too.</exception>
    public long Take(PeerId peer, BitswapMessage message)
    {
        long bytes = 0, unpacked = message.UnpackedBefore;
        var group = new List<ReceivedBlock>();
        int length = 0;
        try
        {
            foreach (BlockEntry block in message.Blocks)
            {
                if (block.Compressed && CompressedBlock.TryGetLength(block.Data.Span, out int packed) && (unpacked += packed) > BitswapMessage.MaxUnpacked)
                {
                    throw new InvalidDataException($"the packed blocks of one message are longer than {BitswapMessage.MaxUnpacked} bytes");
                }

                ReceivedBlock arrival = Check(block);
                group.Add(arrival);
                bytes += block.Data.Length;
                length += arrival.Length;
                if (length >= Together)
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

    /// <summary>Hashes a block once. What is counted is what came over the wire; a packed block is stored as it came, once it is seen to unpack.</summary>
    private ReceivedBlock Check(BlockEntry entry)
    {
        IMemoryOwner<byte>? unpacked = entry.Compressed ? CompressedBlock.TryDecompress(entry.Data.Span) : null;
        ReadOnlySpan<byte> block = unpacked is null ? entry.Data.Span : unpacked.Memory.Span;
        if (block.Length > IBlockstore.MaxBlockLength || (entry.Compressed && unpacked is null) || !Multihash.TryCompute(entry.HashCode, block, out Multihash hash))
        {
            unpacked?.Dispose();
            throw new InvalidDataException($"a block of {entry.Data.Length} bytes with hash 0x{entry.HashCode:x} can't be {(entry.Compressed ? "unpacked" : "checked")}");
        }

        return new ReceivedBlock(entry, hash, block.Length, isLeaf(block), unpacked);
    }

    /// <summary>What nobody wants is counted and dropped. A false block hashes to what nobody wants.</summary>
    private void Take(PeerId peer, List<ReceivedBlock> group)
    {
        BlockExpectation[] expected = wants.Expects(peer, group);
        int unknown = Array.IndexOf(expected, BlockExpectation.Unknown);
        if (unknown >= 0)
        {
            // We asked it for nothing that hashes so: it sends false blocks.
            throw new InvalidDataException($"a block of {group[unknown].Length} bytes hashes to {group[unknown].Hash}, which was never asked of this peer");
        }

        int taken = 0;
        try
        {
            while (taken < group.Count)
            {
                // Small blocks that follow each other are one write.
                int end = taken + 1;
                while (end < group.Count && group[taken].Entry.Data.Length < BulkFrom && group[end].Entry.Data.Length < BulkFrom)
                {
                    end++;
                }

                Store(group, expected, taken, end);
                taken = end;
            }
        }
        finally
        {
            // Also when the store fails: what it has taken is here.
            Tell(peer, group, expected, taken);
            Release(group);
        }
    }

    // Last to those who wait here: what they see counted is all that has come.
    private void Tell(PeerId peer, List<ReceivedBlock> group, BlockExpectation[] expected, int taken)
    {
        for (int i = 0; i < taken; i++)
        {
            int length = group[i].Entry.Data.Length;
            if (expected[i] == BlockExpectation.Wanted)
            {
                Interlocked.Increment(ref _blocks);
                if (group[i].Entry.Compressed)
                {
                    Interlocked.Increment(ref _compressed);
                }

                Interlocked.Add(ref _bytes, length);
                announce(group[i].Hash, group[i].Length);
            }
            else
            {
                Interlocked.Increment(ref _duplicateBlocks);
                Interlocked.Add(ref _duplicateBytes, length);
            }
        }

        wants.Received(peer, group, taken);
    }

    /// <summary>Stores those of some arrivals that are wanted: small ones, or a single one.</summary>
    private void Store(List<ReceivedBlock> group, BlockExpectation[] expected, int start, int end)
    {
        var blocks = new List<NewBlock>(end - start);
        int length = 0;
        for (int i = start; i < end; i++)
        {
            if (expected[i] == BlockExpectation.Wanted)
            {
                bool packed = group[i].Entry.Compressed && store.KeepsCompressed;
                blocks.Add(new NewBlock(group[i].Hash, packed ? group[i].Entry.Data : group[i].Block, packed));
                length += blocks[^1].Data.Length;
            }
        }

        // Lost in a crash, they are fetched again.
        store.PutAll(blocks, bulk: length >= BulkFrom);
    }

    private static void Release(List<ReceivedBlock> group)
    {
        foreach (ReceivedBlock arrival in group)
        {
            arrival.Unpacked?.Dispose();
        }

        group.Clear();
    }
}
