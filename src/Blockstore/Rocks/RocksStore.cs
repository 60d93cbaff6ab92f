using System.Buffers.Text;
using System.Text;
using Ipcs.Blockstore.Gc;
using Ipcs.Blockstore.Tables;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// All tables of one node in one RocksDB database: blocks in blob files, records in small tables. Blocks are written to the WAL unsynced
/// or, deferred, without the WAL; <see cref="Commit"/> makes everything written before it durable. A second process cannot open the same
/// folder.
/// </summary>
public sealed class RocksStore : IStore
{
    // The first byte of metadata keys in the default family. The schema version's key begins with another.
    private const byte MetadataPrefix = (byte)'m';

    private static readonly ColumnFamily[] AllFamilies = Enum.GetValues<ColumnFamily>();

    private readonly Database _database;
    private readonly GcBarrier _barrier = new();
    private readonly BlockCounters _counters;
    private readonly RocksBlocks _blocks;

    private RocksStore(Database database, RocksStoreOptions options)
    {
        _database = database;
        database.Broken += failure => Broken?.Invoke(failure);
        _counters = new BlockCounters(database);
        var reserve = new DiskReserve(database.Folder, options.WriteBufferBytes);
        _blocks = new RocksBlocks(database, _barrier, _counters, reserve, hash => BlockLost?.Invoke(hash));
        Contents = new ContentTable(new RocksTable(database, ColumnFamily.Contents));
        Pins = new PinTable(new RocksTable(database, ColumnFamily.Pins));
        Ingests = new IngestTable(new PrefixedTable(new RocksTable(database, ColumnFamily.Blocks), BlockKey.Ingest));
        Provides = new ProvideTable(new RocksTable(database, ColumnFamily.Provides));
        Peers = new PeerTable(new RocksTable(database, ColumnFamily.Peers));
        Metadata = new MetadataTable(new PrefixedTable(new RocksTable(database, ColumnFamily.Default), MetadataPrefix));
    }

    /// <summary>The version of the tables' layout. A store of a newer version is refused, one of an older release is migrated.</summary>
    public static int SchemaVersion => Migration.First + Migration.All.Count;

    /// <inheritdoc/>
    public event Action<Multihash>? BlockLost;

    /// <summary>
    /// Raised once, when the store takes no more writes until it is opened again: the disk, or the limit on open files, has failed a write.
    /// </summary>
    public event Action<StoreException>? Broken;

    /// <inheritdoc/>
    public IBlockstore Blocks => _blocks;

    /// <inheritdoc/>
    public IContentIndex Contents { get; }

    /// <inheritdoc/>
    public IPinStore Pins { get; }

    /// <inheritdoc/>
    public IIngestStore Ingests { get; }

    /// <inheritdoc/>
    public IProvideStore Provides { get; }

    /// <inheritdoc/>
    public IPeerStore Peers { get; }

    /// <inheritdoc/>
    public IMetadataTable Metadata { get; }

    /// <summary>The database, for tests that damage it.</summary>
    internal Database Database => _database;

    private static ReadOnlySpan<byte> SchemaKey => "!schema"u8;

    /// <summary>Opens the store in a folder. Creates the store and the folder (mode 0700) where they do not exist.</summary>
    /// <exception cref="StoreException">
    /// The store is in use, damaged, of another schema version, of another program, or cannot be created. The message names the folder and
    /// the reason.
    /// </exception>
    public static RocksStore Open(string folder, RocksStoreOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        try
        {
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StoreException($"store {folder}: the folder cannot be created: {e.Message}", e);
        }

        WriteAheadLog.Check(folder);
        options ??= new RocksStoreOptions();
        using OptionSet set = new(options);
        Database database = Database.Open(folder, set);
        try
        {
            CheckSchema(database, set, options);
            database.BuffersEmptied();
            return new RocksStore(database, options);
        }
        catch
        {
            database.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Commit(ContentRecord content, string? ingestRef)
    {
        using Batch batch = _database.NewBatch();
        batch.Put(ColumnFamily.Contents, RecordCodec.Key(content.Digest), RecordCodec.Encode(content));
        if (ingestRef is not null)
        {
            batch.Delete(ColumnFamily.Blocks, [BlockKey.Ingest, .. RecordCodec.Key(ingestRef)]);
        }

        _database.Write(batch, Durability.Synced);
    }

    /// <inheritdoc/>
    public GcLease LeaseTouched()
    {
        ObjectDisposedException.ThrowIf(_database.IsDisposed, this);
        return _barrier.LeaseTouched();
    }

    /// <inheritdoc/>
    public GcLease LeaseDag(in Cid root)
    {
        ObjectDisposedException.ThrowIf(_database.IsDisposed, this);
        return _barrier.LeaseDag(root);
    }

    /// <inheritdoc/>
    public IGcCycle BeginCollection()
    {
        ObjectDisposedException.ThrowIf(_database.IsDisposed, this);
        return new GcCycle(_barrier, _blocks);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Blob files without live values are deleted. Files with live values are rewritten when that frees a quarter of the space of all blob
    /// files (or when little is to be rewritten): each byte freed costs at most three bytes written.
    /// </remarks>
    public void Compact()
    {
        const long Cheap = 1L << 30;
        _database.Flush(ColumnFamily.Blocks);
        foreach (ColumnFamily family in AllFamilies)
        {
            _database.Compact(family, all: false);
        }

        long garbage = _database.Property(ColumnFamily.Blocks, "rocksdb.live-blob-file-garbage-size");
        long total = _database.Property(ColumnFamily.Blocks, "rocksdb.live-blob-file-size");
        if (garbage > 0 && (garbage >= total / 4 || total - garbage <= Cheap))
        {
            RewriteBlobs();
        }
    }

    /// <inheritdoc/>
    public StoreStatistics GetStatistics()
    {
        long contents = 0;
        using (RocksIterator iterator = _database.Iterate(ColumnFamily.Contents))
        {
            while (iterator.MoveNext())
            {
                contents++;
            }
        }

        return new StoreStatistics(_counters.Blocks, _counters.Bytes, BytesOnDisk(), contents);
    }

    /// <summary>
    /// Closes the store. Running calls finish; later calls throw <see cref="ObjectDisposedException"/>. A block that a caller has not
    /// disposed stays readable and keeps the folder locked. Write buffers are flushed, so that the next opening need not replay the WAL.
    /// </summary>
    public void Dispose()
    {
        try
        {
            foreach (ColumnFamily family in AllFamilies)
            {
                _database.Flush(family);
            }
        }
        catch (Exception e) when (e is StoreException or ObjectDisposedException)
        {
            // The disk is full, or this is a second disposal. The WAL has everything but deferred writes, which may be lost.
        }

        _database.Dispose();
    }

    private void RewriteBlobs()
    {
        // Enabled only here: keys are hashes, so every compaction covers the whole key range and would move a part of all blobs.
        const string Option = "enable_blob_garbage_collection";
        _database.SetOption(ColumnFamily.Blocks, "blob_garbage_collection_age_cutoff", "1.0");
        _database.SetOption(ColumnFamily.Blocks, Option, "true");
        try
        {
            _database.Compact(ColumnFamily.Blocks, all: true);
        }
        finally
        {
            if (!_database.IsDisposed)
            {
                _database.SetOption(ColumnFamily.Blocks, Option, "false");
            }
        }
    }

    private long BytesOnDisk()
    {
        long bytes = 0;
        foreach (FileInfo file in new DirectoryInfo(_database.Folder).EnumerateFiles())
        {
            try
            {
                bytes += file.Length;
            }
            catch (FileNotFoundException)
            {
                // RocksDB deleted it meanwhile.
            }
        }

        return bytes;
    }

    private static void CheckSchema(Database database, OptionSet set, RocksStoreOptions options)
    {
        byte[]? schema = database.GetCopy(ColumnFamily.Default, SchemaKey);
        int current = Migration.First + options.Migrations.Count;
        int version = current;
        if (schema is null)
        {
            using RocksIterator iterator = database.Iterate(ColumnFamily.Default);
            if (iterator.MoveNext() || database.HasForeignFamilies || !database.LacksFamilies)
            {
                throw new StoreException($"store {database.Folder}: this is a RocksDB database of another program");
            }

            Save(current);
        }
        else if (!Utf8Parser.TryParse(schema, out version, out int n) || n != schema.Length)
        {
            throw new StoreException($"store {database.Folder}: its schema version is damaged") { IsCorruption = true };
        }
        else if (version > current)
        {
            throw new StoreException(
                $"store {database.Folder}: a newer version of ipcs made it (schema {version}, this program reads up to {current}): "
                + "install that version again");
        }
        else if (version < Migration.First)
        {
            throw new StoreException(
                $"store {database.Folder}: it has schema {version}, from before the first release; this program reads {Migration.First} "
                + $"to {current}");
        }
        else
        {
            Migration.Run(database, version, options.Migrations, Save, options.OnMigration);
        }

        // The database is new, or a crash interrupted the creation of the families.
        if (database.LacksFamilies)
        {
            database.CreateFamilies(set);
        }

        void Save(int reached) =>
            database.Put(ColumnFamily.Default, SchemaKey, Encoding.ASCII.GetBytes($"{reached}"), Durability.Synced);
    }
}
