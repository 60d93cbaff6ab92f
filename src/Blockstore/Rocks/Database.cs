using System.Runtime.InteropServices;
using Ipcs.Blockstore.Interop;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// An open RocksDB with its column families. A safe handle: every call in flight, every block lent out and every walk holds it open,
/// so that closing never takes memory from under one; the last of them closes it. A call after the disposal throws
/// <see cref="ObjectDisposedException"/>.
/// </summary>
internal sealed unsafe class Database : SafeHandle
{
    private static readonly string[] Names = ["default", "blocks", "contents", "pins", "provides", "peers"];

    private readonly nint[] _families = new nint[Names.Length];
    private readonly List<nint> _foreignFamilies = [];
    private readonly nint _write;
    private readonly nint _bulkWrite;
    private readonly nint _syncWrite;
    private readonly nint _read;
    private readonly nint _scan;
    private long _bulkWrites;
    private long _settledWrites;
    private readonly Lock _settling = new();
    private volatile bool _disposed;
    private int _disposing;

    private Database(string folder)
        : base(0, ownsHandle: true)
    {
        Folder = folder;
        _write = RocksDb.rocksdb_writeoptions_create();
        _bulkWrite = RocksDb.rocksdb_writeoptions_create();
        RocksDb.rocksdb_writeoptions_disable_WAL(_bulkWrite, 1);
        _syncWrite = RocksDb.rocksdb_writeoptions_create();
        RocksDb.rocksdb_writeoptions_set_sync(_syncWrite, 1);
        _read = RocksDb.rocksdb_readoptions_create();
        _scan = RocksDb.rocksdb_readoptions_create();
        RocksDb.rocksdb_readoptions_set_fill_cache(_scan, 0);
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>True from the disposal on, though what is lent out may still hold it open.</summary>
    public bool IsDisposed => _disposed;

    /// <summary>Where it lies.</summary>
    public string Folder { get; }

    /// <summary>True when some of our families are not there: the database is new, or of another program, or of another schema.</summary>
    public bool LacksFamilies => _families.Contains(0);

    /// <summary>True when there are families that are none of ours.</summary>
    public bool HasForeignFamilies => _foreignFamilies.Count > 0;

    /// <summary>A family's name in RocksDB.</summary>
    public static string NameOf(ColumnFamily family) => Names[(int)family];

    /// <summary>
    /// Opens the database in a folder, or makes an empty one, with exactly the families that it has: nothing of a database that may turn out
    /// not to be ours is changed.
    /// </summary>
    /// <exception cref="StoreException">It is in use or can't be opened.</exception>
    public static Database Open(string folder, OptionSet options)
    {
        using NativeText path = new(folder);
        string[] names = Exists(folder) ? ListFamilies(folder, path, options) : [Names[0]];
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
            int family = Array.IndexOf(Names, names[i]);
            if (family >= 0)
                database._families[family] = handles[i];
            else
                database._foreignFamilies.Add(handles[i]);
        }

        return database;
    }

    /// <summary>Makes those of our families that are not there. Called by the opener alone.</summary>
    public void CreateFamilies(OptionSet options)
    {
        for (int i = 0; i < Names.Length; i++)
        {
            if (_families[i] != 0)
                continue;
            using NativeText name = new(Names[i]);
            byte* error = null;
            _families[i] = RocksDb.rocksdb_create_column_family(handle, options.For(Names[i]), name.Pointer, &error);
            if (error is not null)
                throw RocksDb.Failure(error, $"store {Folder}: make table {Names[i]}");
        }
    }

    /// <summary>The value, lent out where RocksDB has it; null when there is none.</summary>
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
            return null;
        nuint length;
        byte* value = RocksDb.rocksdb_pinnableslice_value(slice, &length);
        byte[] copy = new ReadOnlySpan<byte>(value, checked((int)length)).ToArray();
        Release(slice);
        return copy;
    }

    /// <summary>Copies a value no longer than <paramref name="destination"/>. False when there is none.</summary>
    /// <exception cref="StoreException">The value is longer.</exception>
    public bool TryCopy(ColumnFamily family, ReadOnlySpan<byte> key, Span<byte> destination, out int length)
    {
        length = 0;
        nint slice = GetSlice(family, key);
        if (slice == 0)
            return false;
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
            return false;
        Release(slice);
        return true;
    }

    public void Put(ColumnFamily family, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, Durability keeping)
    {
        using InUse use = Enter();
        byte* error = null;
        nint options = Options(family, keeping);
        fixed (byte* k = key, v = value)
        {
            RocksDb.rocksdb_put_cf(handle, options, _families[(int)family], k, (nuint)key.Length, v, (nuint)value.Length, &error);
        }

        if (error is not null)
            throw RocksDb.Failure(error, $"store {Folder}: write");
        Written(keeping);
    }

    /// <summary>Deletes what is there. Not for blocks, whose keys come in more than one.</summary>
    public void Delete(ColumnFamily family, ReadOnlySpan<byte> key, bool sync)
    {
        using InUse use = Enter();
        byte* error = null;
        fixed (byte* k = key)
        {
            RocksDb.rocksdb_delete_cf(handle, sync ? _syncWrite : _write, _families[(int)family], k, (nuint)key.Length, &error);
        }

        if (error is not null)
            throw RocksDb.Failure(error, $"store {Folder}: delete");
    }

    /// <summary>Opens a batch on this database's families. Dispose it.</summary>
    public Batch NewBatch() => new(_families);

    /// <summary>Writes a batch, whole or not at all. <see cref="Durability.Deferred"/> is for batches on <see cref="ColumnFamily.Blocks"/> alone.</summary>
    public void Write(in Batch batch, Durability keeping)
    {
        using InUse use = Enter();
        byte* error = null;
        RocksDb.rocksdb_write(handle, Options(ColumnFamily.Blocks, keeping), batch.Pointer, &error);
        if (error is not null)
            throw RocksDb.Failure(error, $"store {Folder}: write");
        Written(keeping);
    }

    /// <summary>Returns once all that was written in bulk before the call is on the disk.</summary>
    public void FlushDeferred()
    {
        long writes = Interlocked.Read(ref _bulkWrites);
        if (writes <= Interlocked.Read(ref _settledWrites))
            return;

        // Those who come while one flushes wait for it, and the next flush is for all of them.
        lock (_settling)
        {
            if (writes <= Interlocked.Read(ref _settledWrites))
                return;
            writes = Interlocked.Read(ref _bulkWrites);
            Flush(ColumnFamily.Blocks);
            Interlocked.Exchange(ref _settledWrites, writes);
        }
    }

    /// <summary>A walk over a family as of now.</summary>
    public RocksIterator Iterate(ColumnFamily family)
    {
        EnterAndHold();
        return new RocksIterator(this, RocksDb.rocksdb_create_iterator_cf(handle, _scan, _families[(int)family]));
    }

    /// <summary>A number that RocksDB keeps, such as <c>rocksdb.estimate-num-keys</c>; 0 when it doesn't.</summary>
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
            throw RocksDb.Failure(error, $"store {Folder}: set {name}");
    }

    /// <summary>Writes a family's buffer to tables and blob files.</summary>
    public void Flush(ColumnFamily family)
    {
        using InUse use = Enter();
        nint options = RocksDb.rocksdb_flushoptions_create();
        byte* error = null;
        RocksDb.rocksdb_flush_cf(handle, options, _families[(int)family], &error);
        RocksDb.rocksdb_flushoptions_destroy(options);
        if (error is not null)
            throw RocksDb.Failure(error, $"store {Folder}: flush");
    }

    /// <summary>Rewrites a family without what was deleted. Ends early, with what it has done, when the database is disposed.</summary>
    /// <param name="family">Which.</param>
    /// <param name="all">True to rewrite also the lowest level's files, which nothing above them covers.</param>
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
    }

    /// <summary>Gives back a value; called by who took it, once.</summary>
    public void Release(nint slice)
    {
        RocksDb.rocksdb_pinnableslice_destroy(slice);
        DangerousRelease();
    }

    /// <summary>Gives back an iterator; called by its owner, once.</summary>
    public void ReleaseIterator(nint iterator)
    {
        RocksDb.rocksdb_iter_destroy(iterator);
        DangerousRelease();
    }

    /// <summary>The exception for a value that can't be what we wrote.</summary>
    public StoreException Damaged(ColumnFamily family, ReadOnlySpan<byte> key) =>
        new($"store {Folder}: the entry {Convert.ToHexStringLower(key)} of table {NameOf(family)} is damaged") { IsCorruption = true };

    protected override void Dispose(bool disposing)
    {
        if (disposing && !IsInvalid && Interlocked.Exchange(ref _disposing, 1) == 0)
        {
            // A compaction may take minutes, and holds the database open.
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
                RocksDb.rocksdb_column_family_handle_destroy(family);
        }

        RocksDb.rocksdb_close(handle);
        FreeOptions();
        return true;
    }

    // RocksDB takes a folder without the file CURRENT for an empty one, and removes what data it finds there.
    private static bool Exists(string folder)
    {
        try
        {
            if (File.Exists(Path.Combine(folder, "CURRENT")))
                return true;
            if (Directory.EnumerateFiles(folder).Any(file => Path.GetExtension(file) is ".sst" or ".blob"))
                throw new StoreException($"store {folder}: there is data but the file CURRENT is missing") { IsCorruption = true };
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
            throw CannotOpen(folder, RocksDb.TakeMessage(error));
        string[] names = new string[(int)count];
        for (int i = 0; i < names.Length; i++)
            names[i] = Marshal.PtrToStringUTF8((nint)list[i]) ?? "";
        RocksDb.rocksdb_list_column_families_destroy(list, count);
        return names;
    }

    private static StoreException CannotOpen(string folder, string message) => RocksError.IsLocked(message)
        ? new StoreException($"store {folder}: in use by another process (or opened twice)")
        : RocksError.Exception(message, $"store {folder}: cannot be opened");

    // With a hold taken when there is a value; whoever gets the slice gives both back by Release.
    private nint GetSlice(ColumnFamily family, ReadOnlySpan<byte> key)
    {
        EnterAndHold();
        byte* error = null;
        nint slice;
        fixed (byte* k = key)
        {
            slice = RocksDb.rocksdb_get_pinned_cf(handle, _read, _families[(int)family], k, (nuint)key.Length, &error);
        }

        if (slice == 0)
        {
            DangerousRelease();
            if (error is not null)
                throw RocksDb.Failure(error, $"store {Folder}: read {Convert.ToHexStringLower(key)}");
        }

        return slice;
    }

    private nint Options(ColumnFamily family, Durability keeping)
    {
        switch (keeping)
        {
            case Durability.Deferred:
                // Other families come to the disk at other times: what is in them would outlive the blocks that it names.
                return family == ColumnFamily.Blocks ? _bulkWrite : throw new ArgumentException($"table {NameOf(family)} is always logged", nameof(family));
            case Durability.Synced:
                FlushDeferred();
                return _syncWrite;
            case Durability.SyncedAlone:
                return _syncWrite;
            default:
                return _write;
        }
    }

    private void Written(Durability keeping)
    {
        if (keeping == Durability.Deferred)
            Interlocked.Increment(ref _bulkWrites);
    }

    private void EnterAndHold()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        bool held = false;
        DangerousAddRef(ref held);
    }

    private InUse Enter()
    {
        EnterAndHold();
        return new InUse(this);
    }

    private void FreeOptions()
    {
        RocksDb.rocksdb_writeoptions_destroy(_write);
        RocksDb.rocksdb_writeoptions_destroy(_bulkWrite);
        RocksDb.rocksdb_writeoptions_destroy(_syncWrite);
        RocksDb.rocksdb_readoptions_destroy(_read);
        RocksDb.rocksdb_readoptions_destroy(_scan);
    }

    private readonly ref struct InUse(Database database)
    {
        public void Dispose() => database.DangerousRelease();
    }
}
