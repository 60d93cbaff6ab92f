using System.Buffers.Binary;
using System.Diagnostics;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// The number of blocks and the sum of their lengths. Each change is merged into two sums (8 bytes, little-endian, the format of RocksDB's
/// uint64add operator) in the batch that stores or deletes the blocks, so the sums are right after a crash without counting.
/// </summary>
internal sealed class BlockCounters
{
    private long _blocks;
    private long _bytes;

    public BlockCounters(Database database)
    {
        _blocks = Read(database, BlocksKey);
        _bytes = Read(database, BytesKey);
    }

    public long Blocks => Interlocked.Read(ref _blocks);

    public long Bytes => Interlocked.Read(ref _bytes);

    // The first byte is BlockKey.Counter.
    private static ReadOnlySpan<byte> BlocksKey => "cblocks"u8;

    private static ReadOnlySpan<byte> BytesKey => "cbytes"u8;

    /// <summary>Adds a change to the batch that makes it.</summary>
    public static void Put(in Batch batch, long blocks, long bytes)
    {
        Debug.Assert(blocks != 0 && bytes / blocks <= IBlockstore.MaxBlockLength, "a change is of at least one block");
        Span<byte> value = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(value, blocks);
        batch.Merge(ColumnFamily.Blocks, BlocksKey, value);
        BinaryPrimitives.WriteInt64LittleEndian(value, bytes);
        batch.Merge(ColumnFamily.Blocks, BytesKey, value);
    }

    /// <summary>Applies a change in memory after its batch was written.</summary>
    public void Add(long blocks, long bytes)
    {
        Interlocked.Add(ref _blocks, blocks);
        Interlocked.Add(ref _bytes, bytes);
    }

    private static long Read(Database database, ReadOnlySpan<byte> key) => database.GetCopy(ColumnFamily.Blocks, key) switch
    {
        null => 0,
        { Length: sizeof(long) } value => BinaryPrimitives.ReadInt64LittleEndian(value),
        _ => throw database.Damaged(ColumnFamily.Blocks, key),
    };
}
