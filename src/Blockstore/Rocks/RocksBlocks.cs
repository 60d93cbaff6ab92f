using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// Blocks in RocksDB. Reads check RocksDB's checksum, so that a block damaged on disk is an exception
/// (<see cref="StoreException.IsCorruption"/>) for every reader, those that don't hash again too.
/// </summary>
internal sealed class RocksBlocks(Database database) : IBlockstore
{
    public bool Has(in Multihash hash)
    {
        Span<byte> key = stackalloc byte[Multihash.MaxLength];
        return database.Contains(Family.Lengths, key[..hash.Write(key)]);
    }

    public bool TryGetLength(in Multihash hash, out int length)
    {
        Span<byte> buffer = stackalloc byte[Multihash.MaxLength];
        ReadOnlySpan<byte> key = buffer[..hash.Write(buffer)];
        Span<byte> value = stackalloc byte[Varint.MaxLength];
        bool found = database.TryCopy(Family.Lengths, key, value, out int n);
        length = found ? ReadLength(key, value[..n]) : 0;
        return found;
    }

    public IMemoryOwner<byte>? Get(in Multihash hash)
    {
        Span<byte> key = stackalloc byte[Multihash.MaxLength];
        return database.Get(Family.Blocks, key[..hash.Write(key)]);
    }

    public void Put(in Multihash hash, ReadOnlySpan<byte> data)
    {
        BlockLimit.Check(hash, data.Length);
        Span<byte> buffer = stackalloc byte[Multihash.MaxLength];
        ReadOnlySpan<byte> key = buffer[..hash.Write(buffer)];

        // Writing it again would leave a copy in the blob files for the compactions to find.
        if (database.Contains(Family.Lengths, key))
            return;

        Span<byte> length = stackalloc byte[Varint.MaxLength];
        int n = Varint.Write(length, (ulong)data.Length);
        using Batch batch = database.NewBatch();
        batch.Put(Family.Lengths, key, length[..n]);
        batch.Put(Family.Blocks, key, data);
        database.Write(batch, sync: false);
    }

    public void Delete(in Multihash hash)
    {
        Span<byte> buffer = stackalloc byte[Multihash.MaxLength];
        ReadOnlySpan<byte> key = buffer[..hash.Write(buffer)];
        using Batch batch = database.NewBatch();
        batch.Delete(Family.Lengths, key);
        batch.Delete(Family.Blocks, key);
        database.Write(batch, sync: false);
    }

    public IEnumerable<(Multihash Hash, int Length)> Enumerate() => new BlockWalk(database);

    /// <summary>A length as <see cref="Put"/> wrote it.</summary>
    /// <exception cref="StoreException">It is none.</exception>
    internal static int ReadLength(Database database, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) =>
        Varint.TryRead(value, out ulong length, out int n) == OperationStatus.Done && n == value.Length && length <= IBlockstore.MaxBlockLength
            ? (int)length
            : throw database.Damaged(Family.Lengths, key);

    private int ReadLength(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) => ReadLength(database, key, value);
}
