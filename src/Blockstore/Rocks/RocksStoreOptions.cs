namespace Ipcs.Blockstore.Rocks;

/// <summary>The memory, files and threads that a <see cref="RocksStore"/> may use.</summary>
public sealed record RocksStoreOptions
{
    /// <summary>
    /// The size in bytes of the cache of table blocks (keys, filters, small values). Content blocks are left to the system's page cache.
    /// </summary>
    public long CacheBytes { get; init; } = 24L << 20;

    /// <summary>The size in bytes of each of the four write buffers of blocks: larger means fewer and longer flushes.</summary>
    public long WriteBufferBytes { get; init; } = 16L << 20;

    /// <summary>The most files that RocksDB keeps open.</summary>
    public int MaxOpenFiles { get; init; } = 512;

    /// <summary>The number of flush threads: one flush mostly waits for the disk's syncs while the next one writes.</summary>
    public int FlushJobs { get; init; } = 2;

    /// <summary>The number of compaction threads.</summary>
    public int CompactionJobs { get; init; } = 1;

    /// <summary>Called with a line of text while an older store is brought to the current schema.</summary>
    public Action<string> OnMigration { get; init; } = static _ => { };

    /// <summary>The changes of older stores, for tests.</summary>
    internal IReadOnlyList<Migration> Migrations { get; init; } = Migration.All;
}
