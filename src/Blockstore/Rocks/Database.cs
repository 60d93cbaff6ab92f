using System.Runtime.InteropServices;
using System.Text;
using Ipcs.Blockstore.Interop;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// An open RocksDB with its column families and options. A safe handle: a call in flight or a block lent out holds it open,
/// a call after <see cref="SafeHandle.Dispose()"/> throws <see cref="ObjectDisposedException"/>.
/// </summary>
internal sealed unsafe class Database : SafeHandle
{
    /// <summary>Blocks of this size and above lie in blob files, which compactions don't rewrite.</summary>
    private const ulong MinBlobLength = 4096;

    private const ulong BlobFileLength = 256UL << 20;
    private const nuint WriteBuffer = 32 << 20;
    private const nuint CacheLength = 16 << 20;
    private const ulong MaxWal = 128UL << 20;

    private readonly nint[] _families;
    private readonly nint _options;
    private readonly nint _blobOptions;
    private readonly nint _write;
    private readonly nint _syncWrite;
    private readonly nint _read;
    private readonly nint _scan;
    private volatile bool _closing;

    private Database(nint db, nint[] families, nint options, nint blobOptions)
        : base(0, ownsHandle: true)
    {
        SetHandle(db);
        _families = families;
        _options = options;
        _blobOptions = blobOptions;
        _write = RocksDb.rocksdb_writeoptions_create();
        _syncWrite = RocksDb.rocksdb_writeoptions_create();
        RocksDb.rocksdb_writeoptions_set_sync(_syncWrite, 1);
        _read = RocksDb.rocksdb_readoptions_create();
        _scan = RocksDb.rocksdb_readoptions_create();
        RocksDb.rocksdb_readoptions_set_fill_cache(_scan, 0);
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Opens or makes the database. The first family is <c>default</c>; those of <paramref name="blobFamilies"/> keep large values in blob files.</summary>
    public static Database Open(string folder, string[] families, int[] blobFamilies)
    {
        nint options = RocksDb.rocksdb_options_create();
        nint blobOptions = RocksDb.rocksdb_options_create();
        nint cache = RocksDb.rocksdb_cache_create_lru(CacheLength);
        foreach (nint o in (nint[])[options, blobOptions])
        {
            RocksDb.rocksdb_options_set_create_if_missing(o, 1);
            RocksDb.rocksdb_options_set_create_missing_column_families(o, 1);
            RocksDb.rocksdb_options_set_write_buffer_size(o, o == blobOptions ? WriteBuffer : 2 << 20);
            RocksDb.rocksdb_options_set_max_write_buffer_number(o, 2);
            RocksDb.rocksdb_options_set_compression(o, 0);
            nint table = RocksDb.rocksdb_block_based_options_create();
            RocksDb.rocksdb_block_based_options_set_block_cache(table, cache);
            RocksDb.rocksdb_block_based_options_set_filter_policy(table, RocksDb.rocksdb_filterpolicy_create_bloom_full(10));
            RocksDb.rocksdb_options_set_block_based_table_factory(o, table);
            RocksDb.rocksdb_block_based_options_destroy(table);
        }

        RocksDb.rocksdb_cache_destroy(cache);
        RocksDb.rocksdb_options_set_db_write_buffer_size(options, 3 * WriteBuffer);
        RocksDb.rocksdb_options_set_max_background_jobs(options, 2);
        RocksDb.rocksdb_options_set_max_open_files(options, 512);
        RocksDb.rocksdb_options_set_max_total_wal_size(options, MaxWal);
        RocksDb.rocksdb_options_set_keep_log_file_num(options, 4);
        RocksDb.rocksdb_options_set_enable_blob_files(blobOptions, 1);
        RocksDb.rocksdb_options_set_min_blob_size(blobOptions, MinBlobLength);
        RocksDb.rocksdb_options_set_blob_file_size(blobOptions, BlobFileLength);
        RocksDb.rocksdb_options_set_enable_blob_gc(blobOptions, 1);

        nint[] handles = new nint[families.Length];
        nint[] familyOptions = [.. families.Select((_, i) => blobFamilies.Contains(i) ? blobOptions : options)];
        nint[] names = [.. families.Select(Marshal.StringToCoTaskMemUTF8)];
        nint folderName = Marshal.StringToCoTaskMemUTF8(folder);
        try
        {
            byte* error = null;
            nint db;
            fixed (nint* n = names, o = familyOptions, h = handles)
            {
                db = RocksDb.rocksdb_open_column_families(options, (byte*)folderName, families.Length, (byte**)n, o, h, &error);
            }

            if (error is not null)
            {
                RocksDb.rocksdb_options_destroy(options);
                RocksDb.rocksdb_options_destroy(blobOptions);
                RocksDb.Check(error, $"store {folder}");
            }

            return new Database(db, handles, options, blobOptions);
        }
        finally
        {
            Array.ForEach(names, Marshal.FreeCoTaskMem);
            Marshal.FreeCoTaskMem(folderName);
        }
    }

    /// <summary>Puts one value.</summary>
    public void Put(int family, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, bool sync)
    {
        using Lease lease = Hold();
        byte* error = null;
        fixed (byte* k = key, v = value)
        {
            RocksDb.rocksdb_put_cf(handle, sync ? _syncWrite : _write, _families[family], k, (nuint)key.Length, v, (nuint)value.Length, &error);
        }

        RocksDb.Check(error, "write");
    }

    /// <summary>Deletes one key.</summary>
    public void Delete(int family, ReadOnlySpan<byte> key, bool sync)
    {
        using Lease lease = Hold();
        byte* error = null;
        fixed (byte* k = key)
        {
            RocksDb.rocksdb_delete_cf(handle, sync ? _syncWrite : _write, _families[family], k, (nuint)key.Length, &error);
        }

        RocksDb.Check(error, "delete");
    }

    /// <summary>Deletes one key, durably, and says whether it was there.</summary>
    public bool Remove(int family, ReadOnlySpan<byte> key)
    {
        using (System.Buffers.IMemoryOwner<byte>? value = Get(family, key))
        {
            if (value is null)
            {
                return false;
            }
        }

        Delete(family, key, sync: true);
        return true;
    }

    /// <summary>Puts one value and deletes one key of another family (unless that is empty) in one synced batch.</summary>
    public void PutAndDelete(int putFamily, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, int deleteFamily, ReadOnlySpan<byte> deleteKey)
    {
        using Lease lease = Hold();
        nint batch = RocksDb.rocksdb_writebatch_create();
        byte* error = null;
        fixed (byte* k = key, v = value, d = deleteKey)
        {
            RocksDb.rocksdb_writebatch_put_cf(batch, _families[putFamily], k, (nuint)key.Length, v, (nuint)value.Length);
            if (!deleteKey.IsEmpty)
            {
                RocksDb.rocksdb_writebatch_delete_cf(batch, _families[deleteFamily], d, (nuint)deleteKey.Length);
            }

            RocksDb.rocksdb_write(handle, _syncWrite, batch, &error);
        }

        RocksDb.rocksdb_writebatch_destroy(batch);
        RocksDb.Check(error, "commit");
    }

    /// <summary>The value, pinned where RocksDB has it; null when there is none.</summary>
    public PinnedValue? Get(int family, ReadOnlySpan<byte> key)
    {
        Lease lease = Hold();
        byte* error = null;
        nint slice;
        fixed (byte* k = key)
        {
            slice = RocksDb.rocksdb_get_pinned_cf(handle, _read, _families[family], k, (nuint)key.Length, &error);
        }

        if (slice == 0 || error is not null)
        {
            lease.Dispose();
            RocksDb.Check(error, "read");
            return null;
        }

        return new PinnedValue(this, slice);
    }

    /// <summary>Gives back what <see cref="Get"/> took; called by the value itself.</summary>
    public void Release(nint slice)
    {
        RocksDb.rocksdb_pinnableslice_destroy(slice);
        DangerousRelease();
    }

    /// <summary>All pairs of a family as of the call, in the order of the keys.</summary>
    public IEnumerable<T> Enumerate<T>(int family, PairReader<T> read)
    {
        using Lease lease = Hold();
        nint iterator = RocksDb.rocksdb_create_iterator_cf(handle, _scan, _families[family]);
        try
        {
            RocksDb.rocksdb_iter_seek_to_first(iterator);
            while (RocksDb.rocksdb_iter_valid(iterator) != 0)
            {
                yield return Current(iterator, read);
                RocksDb.rocksdb_iter_next(iterator);
            }

            CheckIterator(iterator);
        }
        finally
        {
            RocksDb.rocksdb_iter_destroy(iterator);
        }
    }

    /// <summary>A number that RocksDB keeps, such as <c>rocksdb.estimate-num-keys</c>; 0 when it doesn't.</summary>
    public long Property(int family, string name)
    {
        using Lease lease = Hold();
        ulong value = 0;
        fixed (byte* n = Encoding.UTF8.GetBytes(name + "\0"))
        {
            return RocksDb.rocksdb_property_int_cf(handle, _families[family], n, &value) == 0 ? (long)value : 0;
        }
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        foreach (nint family in _families)
        {
            RocksDb.rocksdb_column_family_handle_destroy(family);
        }

        RocksDb.rocksdb_close(handle);
        RocksDb.rocksdb_writeoptions_destroy(_write);
        RocksDb.rocksdb_writeoptions_destroy(_syncWrite);
        RocksDb.rocksdb_readoptions_destroy(_read);
        RocksDb.rocksdb_readoptions_destroy(_scan);
        RocksDb.rocksdb_options_destroy(_options);
        RocksDb.rocksdb_options_destroy(_blobOptions);
        return true;
    }

    private static T Current<T>(nint iterator, PairReader<T> read)
    {
        nuint keyLength, valueLength;
        byte* key = RocksDb.rocksdb_iter_key(iterator, &keyLength);
        byte* value = RocksDb.rocksdb_iter_value(iterator, &valueLength);
        return read(new ReadOnlySpan<byte>(key, (int)keyLength), new ReadOnlySpan<byte>(value, (int)valueLength));
    }

    private static void CheckIterator(nint iterator)
    {
        byte* error = null;
        RocksDb.rocksdb_iter_get_error(iterator, &error);
        RocksDb.Check(error, "scan");
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _closing = true;
        base.Dispose(disposing);
    }

    private Lease Hold()
    {
        ObjectDisposedException.ThrowIf(_closing, this);
        bool held = false;
        DangerousAddRef(ref held);
        return new Lease(this);
    }

    /// <summary>Makes something of one pair.</summary>
    public delegate T PairReader<out T>(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value);

    private readonly struct Lease(Database database) : IDisposable
    {
        public void Dispose() => database.DangerousRelease();
    }
}
