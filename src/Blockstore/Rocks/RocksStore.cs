using System.Buffers;
using System.Text;
using Ipcs.Blockstore.Rocks;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>
/// All the tables of one node in one RocksDB: blocks in blob files, the rest in small tables. Writes of blocks go to the log
/// unsynced; <see cref="Commit"/> syncs it, and all before it with it.
/// </summary>
public sealed class RocksStore : IStore
{
    /// <summary>The layout of the tables. A store of another version is refused, never guessed at.</summary>
    public const int SchemaVersion = 1;

    private const int Meta = 0;
    private const int BlockFamily = 1;
    private const int ContentFamily = 2;
    private const int PinFamily = 3;
    private const int IngestFamily = 4;

    private static readonly string[] Families = ["default", "blocks", "contents", "pins", "ingests"];

    private readonly Database _database;

    private RocksStore(Database database)
    {
        _database = database;
        Blocks = new BlockTable(database);
        Contents = new ContentTable(database);
        Pins = new PinTable(database);
        Ingests = new IngestTable(database);
    }

    /// <inheritdoc/>
    public IBlockstore Blocks { get; }

    /// <inheritdoc/>
    public IContentIndex Contents { get; }

    /// <inheritdoc/>
    public IPinStore Pins { get; }

    /// <inheritdoc/>
    public IIngestStore Ingests { get; }

    /// <summary>Opens the store in a folder, or makes it.</summary>
    /// <exception cref="StoreException">It is in use, damaged, or of another version.</exception>
    public static RocksStore Open(string folder)
    {
        Directory.CreateDirectory(folder);
        Database database;
        try
        {
            database = Database.Open(folder, Families, [BlockFamily]);
        }
        catch (StoreException e) when (e.Message.Contains("lock", StringComparison.OrdinalIgnoreCase))
        {
            throw new StoreException($"the store {folder} is in use by another daemon");
        }

        try
        {
            CheckVersion(database, folder);
            return new RocksStore(database);
        }
        catch
        {
            database.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Commit(ContentRecord content, string? ingestRef) => _database.PutAndDelete(
        ContentFamily,
        content.Digest.Hash.ToArray(),
        RecordCodec.Encode(content),
        IngestFamily,
        ingestRef is null ? [] : Encoding.UTF8.GetBytes(ingestRef));

    /// <inheritdoc/>
    public StoreStatistics GetStatistics()
    {
        long bytes = 0;
        for (int family = 0; family < Families.Length; family++)
        {
            bytes += _database.Property(family, "rocksdb.total-sst-files-size")
                + _database.Property(family, "rocksdb.total-blob-file-size")
                + _database.Property(family, "rocksdb.cur-size-all-mem-tables");
        }

        return new StoreStatistics(
            _database.Property(BlockFamily, "rocksdb.estimate-num-keys"), bytes, _database.Property(ContentFamily, "rocksdb.estimate-num-keys"));
    }

    /// <inheritdoc/>
    public void Dispose() => _database.Dispose();

    private static void CheckVersion(Database database, string folder)
    {
        byte[] key = "schema"u8.ToArray();
        using IMemoryOwner<byte>? value = database.Get(Meta, key);
        if (value is null)
        {
            database.Put(Meta, key, [SchemaVersion], sync: true);
        }
        else if (value.Memory.Length != 1 || value.Memory.Span[0] != SchemaVersion)
        {
            throw new StoreException($"the store {folder} has schema version {Convert.ToHexStringLower(value.Memory.Span)}, this program reads version {SchemaVersion}");
        }
    }

    private sealed class BlockTable(Database database) : IBlockstore
    {
        public bool Has(in Multihash hash) => TryGetLength(hash, out _);

        public bool TryGetLength(in Multihash hash, out int length)
        {
            using IMemoryOwner<byte>? value = Get(hash);
            length = value?.Memory.Length ?? 0;
            return value is not null;
        }

        public IMemoryOwner<byte>? Get(in Multihash hash)
        {
            Span<byte> key = stackalloc byte[Multihash.MaxLength];
            return database.Get(BlockFamily, key[..hash.Write(key)]);
        }

        public void Put(in Multihash hash, ReadOnlySpan<byte> data)
        {
            if (data.Length > IBlockstore.MaxBlockLength)
            {
                throw new StoreException($"a block of {data.Length} bytes is longer than {IBlockstore.MaxBlockLength}");
            }

            Span<byte> key = stackalloc byte[Multihash.MaxLength];
            database.Put(BlockFamily, key[..hash.Write(key)], data, sync: false);
        }

        public void Delete(in Multihash hash)
        {
            Span<byte> key = stackalloc byte[Multihash.MaxLength];
            database.Delete(BlockFamily, key[..hash.Write(key)], sync: false);
        }

        public IEnumerable<(Multihash Hash, int Length)> Enumerate() => database.Enumerate(BlockFamily, (key, value) =>
            Multihash.TryParse(key, out Multihash hash)
                ? (hash, value.Length)
                : throw new StoreException($"the block key {Convert.ToHexStringLower(key)} is damaged"));
    }

    private sealed class ContentTable(Database database) : IContentIndex
    {
        public ContentRecord? Get(in Digest digest)
        {
            byte[] key = digest.Hash.ToArray();
            using IMemoryOwner<byte>? value = database.Get(ContentFamily, key);
            return value is null ? null : RecordCodec.DecodeContent(key, value.Memory.Span);
        }

        public void Put(ContentRecord record, bool sync = false) =>
            database.Put(ContentFamily, record.Digest.Hash.ToArray(), RecordCodec.Encode(record), sync);

        public bool Delete(in Digest digest) => database.Remove(ContentFamily, digest.Hash.ToArray());

        public IEnumerable<ContentRecord> Enumerate() => database.Enumerate(ContentFamily, RecordCodec.DecodeContent);
    }

    private sealed class PinTable(Database database) : IPinStore
    {
        public void Put(PinRecord pin) => database.Put(PinFamily, pin.Root.ToArray(), RecordCodec.Encode(pin), sync: true);

        public PinRecord? Get(in Cid root)
        {
            byte[] key = root.ToArray();
            using IMemoryOwner<byte>? value = database.Get(PinFamily, key);
            return value is null ? null : RecordCodec.DecodePin(key, value.Memory.Span);
        }

        public bool Delete(in Cid root) => database.Remove(PinFamily, root.ToArray());

        public IEnumerable<PinRecord> Enumerate() => database.Enumerate(PinFamily, RecordCodec.DecodePin);
    }

    private sealed class IngestTable(Database database) : IIngestStore
    {
        public IngestRecord? Get(string reference)
        {
            byte[] key = Encoding.UTF8.GetBytes(reference);
            using IMemoryOwner<byte>? value = database.Get(IngestFamily, key);
            return value is null ? null : RecordCodec.DecodeIngest(key, value.Memory.Span);
        }

        public void Put(IngestRecord record) =>
            database.Put(IngestFamily, Encoding.UTF8.GetBytes(record.Ref), RecordCodec.Encode(record), sync: false);

        public bool Delete(string reference) => database.Remove(IngestFamily, Encoding.UTF8.GetBytes(reference));

        public IEnumerable<IngestRecord> Enumerate() => database.Enumerate(IngestFamily, RecordCodec.DecodeIngest);
    }
}
