using System.Buffers.Binary;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// How many blocks there are and how long they are together. Each change is merged into two sums (8 bytes, little-endian, as RocksDB's own
/// operator for sums has them) in the batch that makes it: they are right after a crash without counting.
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

    /// <summary>Puts a change into the batch that makes it.</summary>
    public static void Put(in Batch batch, long blocks, long bytes)
    {
        Span<byte> value = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(value, blocks);
        batch.Merge(ColumnFamily.Blocks, BlocksKey, value);
        BinaryPrimitives.WriteInt64LittleEndian(value, bytes);
        batch.Merge(ColumnFamily.Blocks, BytesKey, value);
    }

    /// <summary>The batch is written.</summary>
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
