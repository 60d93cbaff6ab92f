namespace Ipcs.Blockstore;

/// <summary>What a <see cref="RocksStore"/> may use of the machine.</summary>
public sealed record RocksStoreOptions
{
    /// <summary>The cache of table blocks (keys, filters, small values), in bytes. Blocks of content are left to the system's page cache.</summary>
    public long CacheBytes { get; init; } = 24L << 20;

    /// <summary>One of the two write buffers of blocks, in bytes: larger means fewer and longer flushes.</summary>
    public long WriteBufferBytes { get; init; } = 32L << 20;

    /// <summary>How many files RocksDB keeps open.</summary>
    public int MaxOpenFiles { get; init; } = 512;

    /// <summary>Threads that flush and compact.</summary>
    public int BackgroundJobs { get; init; } = 2;
}
