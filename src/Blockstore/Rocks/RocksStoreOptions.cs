namespace Ipcs.Blockstore.Rocks;

/// <summary>What a <see cref="RocksStore"/> may use of the machine.</summary>
public sealed record RocksStoreOptions
{
    /// <summary>The cache of table blocks (keys, filters, small values), in bytes. Blocks of content are left to the system's page cache.</summary>
    public long CacheBytes { get; init; } = 24L << 20;

    /// <summary>One of the four write buffers of blocks, in bytes: larger means fewer and longer flushes.</summary>
    public long WriteBufferBytes { get; init; } = 16L << 20;

    /// <summary>How many files RocksDB keeps open.</summary>
    public int MaxOpenFiles { get; init; } = 512;

    /// <summary>Threads that flush: a flush mostly waits for the disk's syncs, and meanwhile the next one writes.</summary>
    public int FlushJobs { get; init; } = 2;

    /// <summary>Threads that compact.</summary>
    public int CompactionJobs { get; init; } = 1;
}
