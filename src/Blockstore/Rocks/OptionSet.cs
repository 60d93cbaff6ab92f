using Ipcs.Blockstore.Interop;

namespace Ipcs.Blockstore.Rocks;

/// <summary>RocksDB's options for the database and its column families. Disposed once the database is open: RocksDB copies them.</summary>
internal sealed class OptionSet : IDisposable
{
    // Shorter values are kept in the tables: the header of a blob and an extra read pay only for more than a page.
    private const ulong MinBlobLength = 4096;
    private const ulong BlobFileLength = 256UL << 20;

    // Bounds the WAL that is replayed at start, and which a family with few writes would otherwise keep alive.
    private const ulong MaxWalLength = 192UL << 20;

    // The other families have records of a few hundred bytes.
    private const nuint SmallWriteBuffer = 4 << 20;

    // Files are written back in steps of this many bytes, so that the sync of a commit has little left to write.
    private const ulong FileSyncStep = 4 << 20, LogSyncStep = 1 << 20;

    /// <summary>
    /// One is filled, two are flushed, and one more is filled while a sync takes long. Two of twice the size took as much memory and made
    /// writers wait for the disk.
    /// </summary>
    private const int BlobWriteBuffers = 4;

    /// <summary>
    /// RocksDB's info log gets only the options at start. On a full disk writing a line fails, and an assertion in RocksDB 7.8
    /// (WritableFileWriter) then ends the process at the next line. Errors are reported by the calls that fail.
    /// </summary>
    private const int FatalLevel = 4;

    /// <summary>The memory for the write buffers of all families, in units of one write buffer of blocks.</summary>
    public const int AllWriteBuffers = BlobWriteBuffers + 2;

    public OptionSet(RocksStoreOptions options)
    {
        Main = RocksDb.rocksdb_options_create();
        Blobs = RocksDb.rocksdb_options_create();
        nint cache = RocksDb.rocksdb_cache_create_lru((nuint)options.CacheBytes);
        foreach (nint set in (nint[])[Main, Blobs])
        {
            RocksDb.rocksdb_options_set_create_if_missing(set, 1);
            RocksDb.rocksdb_options_set_write_buffer_size(set, set == Blobs ? (nuint)options.WriteBufferBytes : SmallWriteBuffer);
            RocksDb.rocksdb_options_set_max_write_buffer_number(set, set == Blobs ? BlobWriteBuffers : 2);
            RocksDb.rocksdb_options_set_compression(set, 0);
            RocksDb.rocksdb_options_set_uint64add_merge_operator(set);
            nint table = RocksDb.rocksdb_block_based_options_create();
            RocksDb.rocksdb_block_based_options_set_block_cache(table, cache);

            // Indexes and filters count as part of the bounded cache instead of taking memory for every open file.
            RocksDb.rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
            RocksDb.rocksdb_block_based_options_set_filter_policy(table, RocksDb.rocksdb_filterpolicy_create_bloom_full(10));
            RocksDb.rocksdb_options_set_block_based_table_factory(set, table);
            RocksDb.rocksdb_block_based_options_destroy(table);
        }

        RocksDb.rocksdb_cache_destroy(cache);
        RocksDb.rocksdb_options_set_db_write_buffer_size(Main, (nuint)(AllWriteBuffers * options.WriteBufferBytes));
        RocksDb.rocksdb_options_set_max_background_flushes(Main, options.FlushJobs);
        RocksDb.rocksdb_options_set_max_background_compactions(Main, options.CompactionJobs);
        RocksDb.rocksdb_options_set_max_open_files(Main, options.MaxOpenFiles);
        RocksDb.rocksdb_options_set_max_file_opening_threads(Main, options.FlushJobs);
        RocksDb.rocksdb_options_set_max_total_wal_size(Main, MaxWalLength);
        RocksDb.rocksdb_options_set_bytes_per_sync(Main, FileSyncStep);
        RocksDb.rocksdb_options_set_wal_bytes_per_sync(Main, LogSyncStep);
        RocksDb.rocksdb_options_set_keep_log_file_num(Main, 3);
        RocksDb.rocksdb_options_set_max_log_file_size(Main, 1 << 20);
        RocksDb.rocksdb_options_set_info_log_level(Main, FatalLevel);
        RocksDb.rocksdb_options_set_stats_dump_period_sec(Main, 0);
        RocksDb.rocksdb_options_set_enable_blob_files(Blobs, 1);
        RocksDb.rocksdb_options_set_min_blob_size(Blobs, MinBlobLength);
        RocksDb.rocksdb_options_set_blob_file_size(Blobs, BlobFileLength);
    }

    /// <summary>The options of the database and of all families but <see cref="ColumnFamily.Blocks"/>.</summary>
    public nint Main { get; }

    /// <summary>The options of <see cref="ColumnFamily.Blocks"/>.</summary>
    public nint Blobs { get; }

    /// <summary>The options of a family by its name.</summary>
    public nint For(string family) => family == Database.NameOf(ColumnFamily.Blocks) ? Blobs : Main;

    public void Dispose()
    {
        RocksDb.rocksdb_options_destroy(Main);
        RocksDb.rocksdb_options_destroy(Blobs);
    }
}
