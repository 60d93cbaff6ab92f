using System.Runtime.InteropServices;
using Ipcs.Blockstore.Interop;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// An iterator over one column family as of its creation. Keeps the database open until disposed. For one thread at a time.
/// </summary>
internal sealed unsafe class RocksIterator : SafeHandle
{
    private readonly Database _database;
    private bool _started;

    /// <summary>Takes ownership of the iterator and of one reference to the database.</summary>
    public RocksIterator(Database database, nint iterator)
        : base(0, ownsHandle: true)
    {
        _database = database;
        SetHandle(iterator);
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>The current key; valid until the next call of <see cref="MoveNext"/>.</summary>
    public ReadOnlySpan<byte> Key
    {
        get
        {
            nuint length;
            byte* key = RocksDb.rocksdb_iter_key(handle, &length);
            return new ReadOnlySpan<byte>(key, (int)length);
        }
    }

    /// <summary>The current value; valid until the next call of <see cref="MoveNext"/>.</summary>
    public ReadOnlySpan<byte> Value
    {
        get
        {
            nuint length;
            byte* value = RocksDb.rocksdb_iter_value(handle, &length);
            return new ReadOnlySpan<byte>(value, (int)length);
        }
    }

    /// <summary>
    /// The first call moves to the first key that is not less than <paramref name="key"/>, later calls to the next key. False at the end.
    /// </summary>
    public bool MoveNext(ReadOnlySpan<byte> key = default)
    {
        ObjectDisposedException.ThrowIf(IsClosed || _database.IsDisposed, _database);
        if (_started)
        {
            RocksDb.rocksdb_iter_next(handle);
        }
        else
        {
            _started = true;
            fixed (byte* k = key)
            {
                RocksDb.rocksdb_iter_seek(handle, k, (nuint)key.Length);
            }
        }

        if (RocksDb.rocksdb_iter_valid(handle) != 0)
        {
            return true;
        }

        byte* error = null;
        RocksDb.rocksdb_iter_get_error(handle, &error);
        if (error is not null)
        {
            throw RocksDb.Failure(error, $"store {_database.Folder}: list");
        }

        return false;
    }

    protected override bool ReleaseHandle()
    {
        _database.ReleaseIterator(handle);
        return true;
    }
}
