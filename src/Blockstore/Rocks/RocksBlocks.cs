using System.Buffers;
using System.Diagnostics;
using Ipcs.Blockstore.Compression;
using Ipcs.Blockstore.Gc;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// Blocks in RocksDB. Reads verify RocksDB's checksum, so that a block damaged on disk causes an exception
/// (<see cref="StoreException.IsCorruption"/>) even for readers that do not verify its hash. After that the block counts as absent, so that
/// writing or fetching it again stores it anew.
/// </summary>
internal sealed class RocksBlocks(
    Database database, GcBarrier barrier, BlockCounters counters, DiskReserve reserve, Action<Multihash> onLost)
    : IBlockstore, ISweptBlocks
{
    public bool Has(in Multihash hash)
    {
        barrier.Touch(hash);
        return database.Contains(ColumnFamily.Blocks, BlockKey.Write(stackalloc byte[BlockKey.MaxLength], BlockKey.Length, hash));
    }

    public bool TryGetLength(in Multihash hash, out int length)
    {
        barrier.Touch(hash);
        return TryGetLength(BlockKey.Write(stackalloc byte[BlockKey.MaxLength], BlockKey.Length, hash), out length);
    }

    public IMemoryOwner<byte>? Get(in Multihash hash)
    {
        barrier.Touch(hash);
        try
        {
            return Read(hash);
        }
        catch (StoreException e) when (e.IsCorruption)
        {
            DeleteDamaged(hash);
            throw;
        }
    }

    public bool KeepsCompressed => true;

    public IMemoryOwner<byte>? GetCompressed(in Multihash hash)
    {
        barrier.Touch(hash);
        try
        {
            return database.Get(ColumnFamily.Blocks, BlockKey.Write(stackalloc byte[BlockKey.MaxLength], BlockKey.Compressed, hash));
        }
        catch (StoreException e) when (e.IsCorruption)
        {
            DeleteDamaged(hash);
            throw;
        }
    }

    public void Put(in Multihash hash, ReadOnlySpan<byte> data, bool bulk = false) => Put(hash, BlockKey.Block, data, data.Length, bulk);

    public void PutCompressed(in Multihash hash, ReadOnlySpan<byte> frame, bool bulk = false) =>
        Put(hash, BlockKey.Compressed, frame, CompressedBlock.LengthOf(hash, frame), bulk);

    public void PutAll(IReadOnlyList<NewBlock> blocks, bool bulk = false)
    {
        if (blocks is [var only])
        {
            if (only.Compressed)
            {
                PutCompressed(only.Hash, only.Data.Span, bulk);
            }
            else
            {
                Put(only.Hash, only.Data.Span, bulk);
            }

            return;
        }

        Span<byte> buffer = stackalloc byte[BlockKey.MaxLength];
        Span<byte> length = stackalloc byte[Varint.MaxLength];
        List<int> distinct = barrier.BeginChanges(blocks);
        try
        {
            using Batch batch = database.NewBatch();
            long count = 0, lengths = 0, values = 0;
            foreach (int i in distinct)
            {
                NewBlock block = blocks[i];
                Span<byte> key = BlockKey.Write(buffer, BlockKey.Length, block.Hash);
                if (IsStored(key))
                {
                    continue;
                }

                ReadOnlySpan<byte> value = block.Data.Span;
                int blockLength = block.Compressed ? CompressedBlock.LengthOf(block.Hash, value) : value.Length;
                BlockLimit.Check(block.Hash, blockLength);
                batch.Put(ColumnFamily.Blocks, key, length[..Varint.Write(length, (ulong)blockLength)]);
                key[0] = block.Compressed ? BlockKey.Compressed : BlockKey.Block;
                batch.Put(ColumnFamily.Blocks, key, value);
                count++;
                lengths += blockLength;
                values += value.Length;
            }

            if (count == 0)
            {
                return;
            }

            Debug.Assert(count <= blocks.Count && values <= lengths, "each block is counted once, and a frame is shorter than its block");
            reserve.Take(values);
            BlockCounters.Put(batch, count, lengths);
            database.Write(batch, bulk ? Durability.Deferred : Durability.Logged);
            counters.Add(count, lengths);
        }
        finally
        {
            barrier.EndChanges(blocks);
        }
    }

    public void Delete(in Multihash hash)
    {
        barrier.BeginChange(hash);
        try
        {
            DeleteAll([hash]);
        }
        finally
        {
            barrier.EndChange(hash);
        }
    }

    public IEnumerable<(Multihash Hash, int Length)> Enumerate() => new BlockWalk(database, onDamage: null);

    public IEnumerable<(Multihash Hash, int Length)> Enumerate(Action<StoreException> onDamage) => new BlockWalk(database, onDamage);

    public List<(Multihash Hash, int Length)> DeleteAll(IReadOnlyList<Multihash> hashes)
    {
        List<(Multihash Hash, int Length)> deleted = new(hashes.Count);
        Span<byte> buffer = stackalloc byte[BlockKey.MaxLength];
        long bytes = 0;

        // Deletions are in the WAL, deferred puts are not. Replayed without those puts, deletions would subtract from the counters what was
        // never added.
        database.FlushDeferred();
        using Batch batch = database.NewBatch();
        foreach (Multihash hash in hashes)
        {
            Span<byte> key = BlockKey.Write(buffer, BlockKey.Length, hash);
            if (!TryGetLength(key, out int length))
            {
                continue;
            }

            batch.Delete(ColumnFamily.Blocks, key);
            key[0] = BlockKey.Block;
            batch.Delete(ColumnFamily.Blocks, key);
            key[0] = BlockKey.Compressed;
            batch.Delete(ColumnFamily.Blocks, key);
            bytes += length;
            deleted.Add((hash, length));
        }

        if (deleted.Count == 0)
        {
            return deleted;
        }

        BlockCounters.Put(batch, -deleted.Count, -bytes);
        database.Write(batch, Durability.Logged);
        counters.Add(-deleted.Count, -bytes);
        return deleted;
    }

    /// <summary>Decodes the value of a key of kind <see cref="BlockKey.Length"/>.</summary>
    /// <exception cref="StoreException">The value is damaged.</exception>
    internal static int ReadLength(Database database, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) =>
        Varint.TryRead(value, out ulong length, out int n) == OperationStatus.Done
            && n == value.Length
            && length <= IBlockstore.MaxBlockLength
            ? (int)length
            : throw database.Damaged(ColumnFamily.Blocks, key);

    private IMemoryOwner<byte>? Read(in Multihash hash)
    {
        Span<byte> key = BlockKey.Write(stackalloc byte[BlockKey.MaxLength], BlockKey.Block, hash);
        if (database.Get(ColumnFamily.Blocks, key) is { } block)
        {
            return block;
        }

        key[0] = BlockKey.Compressed;
        using PinnedBlock? frame = database.Get(ColumnFamily.Blocks, key);
        return frame is null ? null : CompressedBlock.TryDecompress(frame.GetSpan()) ?? throw database.Damaged(ColumnFamily.Blocks, key);
    }

    /// <summary>Deletes a block whose bytes are damaged: while its length is stored, a write would do nothing.</summary>
    private void DeleteDamaged(in Multihash hash)
    {
        try
        {
            Delete(hash);
            onLost(hash);
        }
        catch (StoreException)
        {
            // The reader gets the first failure, which names the damaged block.
        }
    }

    private void Put(in Multihash hash, byte kind, ReadOnlySpan<byte> value, int blockLength, bool bulk)
    {
        BlockLimit.Check(hash, blockLength);
        Span<byte> key = BlockKey.Write(stackalloc byte[BlockKey.MaxLength], BlockKey.Length, hash);
        barrier.BeginChange(hash);
        try
        {
            // Writing it again would leave an unused copy in the blob files until a compaction.
            if (IsStored(key))
            {
                return;
            }

            reserve.Take(value.Length);
            Span<byte> length = stackalloc byte[Varint.MaxLength];
            int n = Varint.Write(length, (ulong)blockLength);

            // The value comes last: the batch's buffer doubles when it is full, so a large value appended to a small buffer gets just what
            // it needs.
            using Batch batch = database.NewBatch();
            BlockCounters.Put(batch, 1, blockLength);
            batch.Put(ColumnFamily.Blocks, key, length[..n]);
            key[0] = kind;
            batch.Put(ColumnFamily.Blocks, key, value);
            database.Write(batch, bulk ? Durability.Deferred : Durability.Logged);
            counters.Add(1, blockLength);
        }
        finally
        {
            barrier.EndChange(hash);
        }
    }

    /// <summary>True when a block's length is stored. Where the disk has damaged it, the block is written anew.</summary>
    private bool IsStored(ReadOnlySpan<byte> key)
    {
        try
        {
            return database.Contains(ColumnFamily.Blocks, key);
        }
        catch (StoreException e) when (e.IsCorruption)
        {
            return false;
        }
    }

    private bool TryGetLength(ReadOnlySpan<byte> key, out int length)
    {
        Span<byte> value = stackalloc byte[Varint.MaxLength];
        bool found = database.TryCopy(ColumnFamily.Blocks, key, value, out int n);
        length = found ? ReadLength(database, key, value[..n]) : 0;
        return found;
    }
}
