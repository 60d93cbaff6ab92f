using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// Blocks in RocksDB. Reads check RocksDB's checksum, so that a block damaged on disk is an exception
/// (<see cref="StoreException.IsCorruption"/>) for every reader, those that don't hash again too.
/// </summary>
internal sealed class RocksBlocks(Database database, BlockGate gate, BlockCounters counters, DiskReserve reserve) : IBlockstore, ISweptBlocks
{
    public bool Has(in Multihash hash)
    {
        gate.Touch(hash);
        Span<byte> key = stackalloc byte[Multihash.MaxLength];
        return database.Contains(Family.Lengths, key[..hash.Write(key)]);
    }

    public bool TryGetLength(in Multihash hash, out int length)
    {
        gate.Touch(hash);
        Span<byte> key = stackalloc byte[Multihash.MaxLength];
        return TryGetLength(key[..hash.Write(key)], out length);
    }

    public IMemoryOwner<byte>? Get(in Multihash hash)
    {
        gate.Touch(hash);
        Span<byte> key = stackalloc byte[Multihash.MaxLength];
        ReadOnlySpan<byte> written = key[..hash.Write(key)];
        if (database.Get(Family.Blocks, written) is { } block)
            return block;
        using PinnedBlock? frame = database.Get(Family.Packed, written);
        return frame is null ? null : PackedBlock.TryUnpack(frame.GetSpan()) ?? throw database.Damaged(Family.Packed, written);
    }

    public bool KeepsPacked => true;

    public IMemoryOwner<byte>? GetPacked(in Multihash hash)
    {
        gate.Touch(hash);
        Span<byte> key = stackalloc byte[Multihash.MaxLength];
        return database.Get(Family.Packed, key[..hash.Write(key)]);
    }

    public void Put(in Multihash hash, ReadOnlySpan<byte> data) => Put(hash, Family.Blocks, data, data.Length);

    public void PutPacked(in Multihash hash, ReadOnlySpan<byte> frame) => Put(hash, Family.Packed, frame, BlockLimit.LengthOf(hash, frame));

    public void Delete(in Multihash hash)
    {
        gate.Enter(hash);
        try
        {
            DeleteAll([hash]);
        }
        finally
        {
            gate.Leave(hash);
        }
    }

    public IEnumerable<(Multihash Hash, int Length)> Enumerate() => new BlockWalk(database);

    public List<(Multihash Hash, int Length)> DeleteAll(IReadOnlyList<Multihash> hashes)
    {
        List<(Multihash Hash, int Length)> gone = new(hashes.Count);
        Span<byte> buffer = stackalloc byte[Multihash.MaxLength];
        long bytes = 0;
        using Batch batch = database.NewBatch();
        foreach (Multihash hash in hashes)
        {
            ReadOnlySpan<byte> key = buffer[..hash.Write(buffer)];
            if (!TryGetLength(key, out int length))
                continue;
            batch.Delete(Family.Lengths, key);
            batch.Delete(Family.Blocks, key);
            batch.Delete(Family.Packed, key);
            bytes += length;
            gone.Add((hash, length));
        }

        if (gone.Count == 0)
            return gone;
        BlockCounters.Put(batch, -gone.Count, -bytes);
        database.Write(batch, sync: false);
        counters.Add(-gone.Count, -bytes);
        return gone;
    }

    /// <summary>A length as it was written.</summary>
    /// <exception cref="StoreException">It is none.</exception>
    internal static int ReadLength(Database database, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) =>
        Varint.TryRead(value, out ulong length, out int n) == OperationStatus.Done && n == value.Length && length <= IBlockstore.MaxBlockLength
            ? (int)length
            : throw database.Damaged(Family.Lengths, key);

    private void Put(in Multihash hash, Family family, ReadOnlySpan<byte> value, int blockLength)
    {
        BlockLimit.Check(hash, blockLength);
        Span<byte> buffer = stackalloc byte[Multihash.MaxLength];
        ReadOnlySpan<byte> key = buffer[..hash.Write(buffer)];
        gate.Enter(hash);
        try
        {
            // Writing it again would leave a copy in the blob files for the compactions to find.
            if (database.Contains(Family.Lengths, key))
                return;

            reserve.Take(value.Length);
            Span<byte> length = stackalloc byte[Varint.MaxLength];
            int n = Varint.Write(length, (ulong)blockLength);
            using Batch batch = database.NewBatch();
            batch.Put(Family.Lengths, key, length[..n]);
            batch.Put(family, key, value);
            BlockCounters.Put(batch, 1, blockLength);
            database.Write(batch, sync: false);
            counters.Add(1, blockLength);
        }
        finally
        {
            gate.Leave(hash);
        }
    }

    private bool TryGetLength(ReadOnlySpan<byte> key, out int length)
    {
        Span<byte> value = stackalloc byte[Varint.MaxLength];
        bool found = database.TryCopy(Family.Lengths, key, value, out int n);
        length = found ? ReadLength(database, key, value[..n]) : 0;
        return found;
    }
}
