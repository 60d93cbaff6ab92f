using System.Diagnostics;
using System.Runtime.InteropServices;
using Ipcs.Blockstore.Interop;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// An open RocksDB database with its column families. A safe handle: every running call, every <see cref="PinnedBlock"/> and every iterator
/// has a reference, and the last reference released closes the database, so memory in use is never freed. Calls after disposal throw
/// <see cref="ObjectDisposedException"/>.
/// </summary>
internal sealed unsafe class Database : SafeHandle
{
    private static readonly string[] FamilyNames = ["default", "blocks", "contents", "pins", "provides", "peers"];

    private readonly nint[] _families = new nint[FamilyNames.Length];
    private readonly List<nint> _foreignFamilies = [];
    private readonly nint _writeOptions;
    private readonly nint _deferredWriteOptions;
    private readonly nint _syncWriteOptions;
    private readonly nint _readOptions;
    private readonly nint _scanOptions;
    private long _deferredWrites;
    private long _flushedWrites;
    private readonly Lock _flushLock = new();
    private volatile bool _disposed;
    private int _disposing;
    private int _broken;
    private long _emptied;
    private long _filled;

    private Database(string folder)
        : base(0, ownsHandle: true)
    {
        Folder = folder;
        _writeOptions = RocksDb.rocksdb_writeoptions_create();
        _deferredWriteOptions = RocksDb.rocksdb_writeoptions_create();
        RocksDb.rocksdb_writeoptions_disable_WAL(_deferredWriteOptions, 1);
        _syncWriteOptions = RocksDb.rocksdb_writeoptions_create();
        RocksDb.rocksdb_writeoptions_set_sync(_syncWriteOptions, 1);
        _readOptions = RocksDb.rocksdb_readoptions_create();
        _scanOptions = RocksDb.rocksdb_readoptions_create();
        RocksDb.rocksdb_readoptions_set_fill_cache(_scanOptions, 0);
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>True once disposed, though blocks and iterators in use may still keep the database open.</summary>
    public bool IsDisposed => _disposed;

    // With this prefix no record of the default family begins.
    private static ReadOnlySpan<byte> MarkKey => "!mark"u8;

    /// <summary>
    /// Raised once, on the thread of the write, when a write has failed for another reason than a full disk: from then on RocksDB refuses
    /// all writes, until the database is opened again.
    /// </summary>
    public event Action<StoreException>? Broken;

    /// <summary>The folder of the database.</summary>
    public string Folder { get; }

    /// <summary>
    /// True when some of <see cref="ColumnFamily"/> do not exist: the database is new, of another program, or of another schema.
    /// </summary>
    public bool LacksFamilies => _families.Contains(0);

    /// <summary>True when the database has families other than <see cref="ColumnFamily"/>.</summary>
    public bool HasForeignFamilies => _foreignFamilies.Count > 0;

    /// <summary>The name of a family in RocksDB.</summary>
    public static string NameOf(ColumnFamily family) => FamilyNames[(int)family];

    /// <summary>
    /// Opens the database in a folder, or creates an empty one. Creates no families: a database that may turn out to be another program's
    /// is not changed.
    /// </summary>
    /// <exception cref="StoreException">The database is in use or cannot be opened.</exception>
    public static Database Open(string folder, OptionSet options)
    {
        using NativeText path = new(folder);
        string[] names = Exists(folder) ? ListFamilies(folder, path, options) : [FamilyNames[0]];
        NativeText[] texts = [.. names.Select(name => new NativeText(name))];
        nint[] namePointers = [.. texts.Select(text => (nint)text.Pointer)];
        nint[] familyOptions = [.. names.Select(options.For)];
        nint[] handles = new nint[names.Length];
        Database database = new(folder);
        byte* error = null;
        fixed (nint* n = namePointers, o = familyOptions, h = handles)
        {
            database.SetHandle(RocksDb.rocksdb_open_column_families(options.Main, path.Pointer, names.Length, (byte**)n, o, h, &error));
        }

        Array.ForEach(texts, text => text.Dispose());
        if (error is not null)
        {
            database.SetHandle(0);
            database.FreeOptions();
            database.SetHandleAsInvalid();
            throw CannotOpen(folder, RocksDb.TakeMessage(error));
        }

        for (int i = 0; i < names.Length; i++)
        {
            int family = Array.IndexOf(FamilyNames, names[i]);
            if (family >= 0)
            {
                database._families[family] = handles[i];
            }
            else
            {
                database._foreignFamilies.Add(handles[i]);
            }
        }

        return database;
    }

    /// <summary>
    /// Makes a database of the tables and logs in a folder whose MANIFEST is damaged. Knows no blob files: it forgets them, and deletes
    /// those in the folder.
    /// </summary>
    /// <exception cref="StoreException">It cannot be done.</exception>
    public static void Rebuild(string folder, OptionSet options)
    {
        using NativeText path = new(folder);
        byte* error = null;
        RocksDb.rocksdb_repair_db(options.Main, path.Pointer, &error);
        if (error is not null)
        {
            throw RocksDb.Failure(error, $"store {folder}: rebuild its tables");
        }
    }

    /// <summary>Creates the families that do not exist. Called while no one else uses the database.</summary>
    public void CreateFamilies(OptionSet options)
    {
        for (int i = 0; i < FamilyNames.Length; i++)
        {
            if (_families[i] != 0)
            {
                continue;
            }

            using NativeText name = new(FamilyNames[i]);
            byte* error = null;
            _families[i] = RocksDb.rocksdb_create_column_family(handle, options.For(FamilyNames[i]), name.Pointer, &error);
            if (error is not null)
            {
                throw RocksDb.Failure(error, $"store {Folder}: create table {FamilyNames[i]}");
            }
        }
    }

    /// <summary>The value in RocksDB's memory; null when there is none. The caller disposes it.</summary>
    public PinnedBlock? Get(ColumnFamily family, ReadOnlySpan<byte> key)
    {
        nint slice = GetSlice(family, key);
        return slice == 0 ? null : new PinnedBlock(this, slice);
    }

    /// <summary>The value in a new array; null when there is none.</summary>
    public byte[]? GetCopy(ColumnFamily family, ReadOnlySpan<byte> key)
    {
        nint slice = GetSlice(family, key);
        if (slice == 0)
        {
            return null;
        }

        nuint length;
        byte* value = RocksDb.rocksdb_pinnableslice_value(slice, &length);
        byte[] copy = new ReadOnlySpan<byte>(value, checked((int)length)).ToArray();
        Release(slice);
        return copy;
    }

    /// <summary>Copies the value into <paramref name="destination"/>. False when there is none.</summary>
    /// <exception cref="StoreException">The value is longer than the destination.</exception>
    public bool TryCopy(ColumnFamily family, ReadOnlySpan<byte> key, Span<byte> destination, out int length)
    {
        length = 0;
        nint slice = GetSlice(family, key);
        if (slice == 0)
        {
            return false;
        }

        nuint n;
        byte* value = RocksDb.rocksdb_pinnableslice_value(slice, &n);
        bool fits = n <= (nuint)destination.Length;
        if (fits)
        {
            length = (int)n;
            new ReadOnlySpan<byte>(value, length).CopyTo(destination);
        }

        Release(slice);
        return fits ? true : throw Damaged(family, key);
    }

    public bool Contains(ColumnFamily family, ReadOnlySpan<byte> key)
    {
        nint slice = GetSlice(family, key);
        if (slice == 0)
        {
            return false;
        }

        Release(slice);
        return true;
    }

    public void Put(ColumnFamily family, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, Durability durability)
    {
        using InUse use = Enter();
        byte* error = null;
        nint options = Options(family, durability);
        KeepBuffersFilled();
        fixed (byte* k = key, v = value)
        {
            RocksDb.rocksdb_put_cf(handle, options, _families[(int)family], k, (nuint)key.Length, v, (nuint)value.Length, &error);
        }

        if (error is not null)
        {
            throw WriteFailure(error, "write");
        }

        Written(durability);
    }

    /// <summary>Deletes a key. Not for blocks, which have several keys.</summary>
    public void Delete(ColumnFamily family, ReadOnlySpan<byte> key, bool sync)
    {
        using InUse use = Enter();
        byte* error = null;
        KeepBuffersFilled();
        fixed (byte* k = key)
        {
            nint options = sync ? _syncWriteOptions : _writeOptions;
            RocksDb.rocksdb_delete_cf(handle, options, _families[(int)family], k, (nuint)key.Length, &error);
        }

        if (error is not null)
        {
            throw WriteFailure(error, "delete");
        }
    }

    /// <summary>Creates an empty batch. The caller disposes it.</summary>
    public Batch NewBatch() => new(_families);

    /// <summary>
    /// Writes a batch atomically. <see cref="Durability.Deferred"/> is only for batches that write <see cref="ColumnFamily.Blocks"/> alone.
    /// </summary>
    public void Write(in Batch batch, Durability durability)
    {
        using InUse use = Enter();
        byte* error = null;
        nint options = Options(ColumnFamily.Blocks, durability);
        KeepBuffersFilled();
        RocksDb.rocksdb_write(handle, options, batch.Pointer, &error);
        if (error is not null)
        {
            throw WriteFailure(error, "write");
        }

        Written(durability);
    }

    /// <summary>
    /// Called when the write buffers of all families may have become empty, which a full disk at the next write must not meet.
    /// </summary>
    /// <remarks>
    /// After a write to the log that finds the disk full, RocksDB flushes what is in the buffers and goes on with a new log. With nothing
    /// to flush it goes on with the old log, whose writer has failed, and an assertion in RocksDB 7.8 (WritableFileWriter) ends the process
    /// at the next write. So before the next write a record that no log has is put into a buffer.
    /// </remarks>
    public void BuffersEmptied() => Interlocked.Increment(ref _emptied);

    /// <summary>Makes all deferred writes before the call durable.</summary>
    public void FlushDeferred()
    {
        long writes = Interlocked.Read(ref _deferredWrites);
        if (writes <= Interlocked.Read(ref _flushedWrites))
        {
            return;
        }

        // Callers that arrive during a flush wait for it; the next flush then serves all of them.
        lock (_flushLock)
        {
            if (writes <= Interlocked.Read(ref _flushedWrites))
            {
                return;
            }

            writes = Interlocked.Read(ref _deferredWrites);
            Flush(ColumnFamily.Blocks);
            Debug.Assert(writes >= Interlocked.Read(ref _flushedWrites), "flushes only advance");
            Interlocked.Exchange(ref _flushedWrites, writes);
        }
    }

    /// <summary>An iterator over a family as of now. The caller disposes it.</summary>
    /// <param name="family">The family.</param>
    /// <param name="onDamage">
    /// Called for each damaged place of the family, whose keys are then left out. Without it such a place is an exception.
    /// </param>
    public RocksIterator Iterate(ColumnFamily family, Action<StoreException>? onDamage = null)
    {
        AddReference();
        return new RocksIterator(this, RocksDb.rocksdb_create_iterator_cf(handle, _scanOptions, _families[(int)family]), onDamage);
    }

    /// <summary>True when the database has a family.</summary>
    public bool Has(ColumnFamily family) => _families[(int)family] != 0;

    /// <summary>An integer property of RocksDB, such as <c>rocksdb.estimate-num-keys</c>; 0 when it is unknown.</summary>
    public long Property(ColumnFamily family, string name)
    {
        using InUse use = Enter();
        using NativeText text = new(name);
        ulong value = 0;
        return RocksDb.rocksdb_property_int_cf(handle, _families[(int)family], text.Pointer, &value) == 0 ? (long)value : 0;
    }

    /// <summary>Sets an option of a family while the database is open.</summary>
    public void SetOption(ColumnFamily family, string name, string value)
    {
        using InUse use = Enter();
        using NativeText n = new(name);
        using NativeText v = new(value);
        byte* key = n.Pointer;
        byte* text = v.Pointer;
        byte* error = null;
        RocksDb.rocksdb_set_options_cf(handle, _families[(int)family], 1, &key, &text, &error);
        if (error is not null)
        {
            throw RocksDb.Failure(error, $"store {Folder}: set {name}");
        }
    }

    /// <summary>Writes the write buffers of a family to tables and blob files.</summary>
    public void Flush(ColumnFamily family)
    {
        using InUse use = Enter();
        nint options = RocksDb.rocksdb_flushoptions_create();
        byte* error = null;
        RocksDb.rocksdb_flush_cf(handle, options, _families[(int)family], &error);
        RocksDb.rocksdb_flushoptions_destroy(options);
        if (error is not null)
        {
            throw WriteFailure(error, "flush");
        }
    }

    /// <summary>Compacts a family: rewrites it without deleted keys. Ends early when the database is disposed.</summary>
    /// <param name="family">The family.</param>
    /// <param name="all">True to rewrite the files of the lowest level too, even where no level above has newer data.</param>
    public void Compact(ColumnFamily family, bool all)
    {
        // enum class BottommostLevelCompaction in rocksdb/options.h.
        const byte Skip = 0;
        const byte Force = 2;
        using InUse use = Enter();
        nint options = RocksDb.rocksdb_compactoptions_create();
        RocksDb.rocksdb_compactoptions_set_exclusive_manual_compaction(options, 0);
        RocksDb.rocksdb_compactoptions_set_bottommost_level_compaction(options, all ? Force : Skip);
        RocksDb.rocksdb_compact_range_cf_opt(handle, _families[(int)family], options, null, 0, null, 0);
        RocksDb.rocksdb_compactoptions_destroy(options);
        BuffersEmptied();
    }

    /// <summary>Frees a value and its reference to the database. Called once by its owner.</summary>
    public void Release(nint slice)
    {
        RocksDb.rocksdb_pinnableslice_destroy(slice);
        DangerousRelease();
    }

    /// <summary>Frees an iterator and its reference to the database. Called once by its owner.</summary>
    public void ReleaseIterator(nint iterator)
    {
        RocksDb.rocksdb_iter_destroy(iterator);
        DangerousRelease();
    }

    /// <summary>The exception for a value that this program cannot have written.</summary>
    public StoreException Damaged(ColumnFamily family, ReadOnlySpan<byte> key) =>
        new($"store {Folder}: the entry {Convert.ToHexStringLower(key)} of table {NameOf(family)} is damaged") { IsCorruption = true };

    protected override void Dispose(bool disposing)
    {
        if (disposing && !IsInvalid && Interlocked.Exchange(ref _disposing, 1) == 0)
        {
            // A running compaction has a reference and may take minutes.
            using InUse use = Enter();
            RocksDb.rocksdb_disable_manual_compaction(handle);
        }

        _disposed = true;
        base.Dispose(disposing);
    }

    protected override bool ReleaseHandle()
    {
        foreach (nint family in _families.Concat(_foreignFamilies))
        {
            if (family != 0)
            {
                RocksDb.rocksdb_column_family_handle_destroy(family);
            }
        }

        RocksDb.rocksdb_close(handle);
        FreeOptions();
        return true;
    }

    // RocksDB treats a folder without the file CURRENT as empty and deletes the data that it finds there.
    private static bool Exists(string folder)
    {
        try
        {
            if (File.Exists(Path.Combine(folder, "CURRENT")))
            {
                return true;
            }

            if (Directory.EnumerateFiles(folder).Any(file => Path.GetExtension(file) is ".sst" or ".blob"))
            {
                throw new StoreException($"store {folder}: the folder has data but the file CURRENT is missing") { IsCorruption = true };
            }

            return false;
        }
        catch (UnauthorizedAccessException e)
        {
            throw new StoreException($"store {folder}: cannot be opened: {e.Message}", e);
        }
    }

    private static string[] ListFamilies(string folder, NativeText path, OptionSet options)
    {
        nuint count;
        byte* error = null;
        byte** list = RocksDb.rocksdb_list_column_families(options.Main, path.Pointer, &count, &error);
        if (error is not null)
        {
            throw CannotOpen(folder, RocksDb.TakeMessage(error));
        }

        string[] names = new string[(int)count];
        for (int i = 0; i < names.Length; i++)
        {
            names[i] = Marshal.PtrToStringUTF8((nint)list[i]) ?? "";
        }

        RocksDb.rocksdb_list_column_families_destroy(list, count);
        return names;
    }

    private static StoreException CannotOpen(string folder, string message) => RocksError.IsLocked(message)
        ? new StoreException($"store {folder}: in use by another process (or opened twice)")
        : RocksError.Exception(message, $"store {folder}: cannot be opened");

    // A slice comes with a reference to the database; Release frees both.
    private nint GetSlice(ColumnFamily family, ReadOnlySpan<byte> key)
    {
        AddReference();
        byte* error = null;
        nint slice;
        fixed (byte* k = key)
        {
            slice = RocksDb.rocksdb_get_pinned_cf(handle, _readOptions, _families[(int)family], k, (nuint)key.Length, &error);
        }

        if (slice == 0)
        {
            DangerousRelease();
            if (error is not null)
            {
                throw RocksDb.Failure(error, $"store {Folder}: read {Convert.ToHexStringLower(key)}");
            }
        }

        return slice;
    }

    private nint Options(ColumnFamily family, Durability durability)
    {
        switch (durability)
        {
            case Durability.Deferred:
                // Other families are flushed at other times: a record there could outlive the blocks that it names.
                return family == ColumnFamily.Blocks
                    ? _deferredWriteOptions
                    : throw new ArgumentException($"table {NameOf(family)} takes no deferred writes", nameof(family));
            case Durability.Synced:
                FlushDeferred();
                return _syncWriteOptions;
            case Durability.SyncedAlone:
                return _syncWriteOptions;
            default:
                return _writeOptions;
        }
    }

    private StoreException WriteFailure(byte* error, string what)
    {
        StoreException failure = RocksDb.Failure(error, $"store {Folder}: {what}");
        if (failure.IsNoSpace)
        {
            // RocksDB flushes everything before it takes writes again.
            BuffersEmptied();
        }
        else if (!_disposed && Interlocked.Exchange(ref _broken, 1) == 0)
        {
            Broken?.Invoke(failure);
        }

        return failure;
    }

    /// <summary>Puts a record into a write buffer when all of them may be empty. If it is refused, the next write says so.</summary>
    private void KeepBuffersFilled()
    {
        long emptied = Interlocked.Read(ref _emptied);
        if (emptied == Interlocked.Read(ref _filled))
        {
            return;
        }

        byte* error = null;
        fixed (byte* key = MarkKey)
        {
            nint family = _families[(int)ColumnFamily.Default];
            RocksDb.rocksdb_put_cf(handle, _deferredWriteOptions, family, key, (nuint)MarkKey.Length, key, 0, &error);
        }

        if (error is null)
        {
            Interlocked.Exchange(ref _filled, emptied);
        }
        else
        {
            RocksDb.rocksdb_free(error);
        }
    }

    private void Written(Durability durability)
    {
        if (durability == Durability.Deferred)
        {
            Interlocked.Increment(ref _deferredWrites);
        }
    }

    private void AddReference()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        bool added = false;
        DangerousAddRef(ref added);
    }

    private InUse Enter()
    {
        AddReference();
        return new InUse(this);
    }

    private void FreeOptions()
    {
        RocksDb.rocksdb_writeoptions_destroy(_writeOptions);
        RocksDb.rocksdb_writeoptions_destroy(_deferredWriteOptions);
        RocksDb.rocksdb_writeoptions_destroy(_syncWriteOptions);
        RocksDb.rocksdb_readoptions_destroy(_readOptions);
        RocksDb.rocksdb_readoptions_destroy(_scanOptions);
    }

    private readonly ref struct InUse(Database database)
    {
        public void Dispose() => database.DangerousRelease();
    }
}
