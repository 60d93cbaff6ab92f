using System.Runtime.InteropServices;
using Ipcs.Blockstore.Interop;

namespace Ipcs.Blockstore.Rocks;

/// <summary>A walk over one family as of its making. Holds the database open until it is disposed. One thread at a time.</summary>
internal sealed unsafe class RocksIterator : SafeHandle
{
    private readonly Database _database;
    private bool _started;

    /// <summary>Takes the iterator, and one hold on the database.</summary>
    public RocksIterator(Database database, nint iterator)
        : base(0, ownsHandle: true)
    {
        _database = database;
        SetHandle(iterator);
    }

    public override bool IsInvalid => handle == 0;

    public ReadOnlySpan<byte> Key
    {
        get
        {
            nuint length;
            byte* key = RocksDb.rocksdb_iter_key(handle, &length);
            return new ReadOnlySpan<byte>(key, (int)length);
        }
    }

    public ReadOnlySpan<byte> Value
    {
        get
        {
            nuint length;
            byte* value = RocksDb.rocksdb_iter_value(handle, &length);
            return new ReadOnlySpan<byte>(value, (int)length);
        }
    }

    /// <summary>Goes to the first key that is not before <paramref name="key"/> (at the first call), then to the next. False at the end.</summary>
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
                RocksDb.rocksdb_iter_seek(handle, k, (nuint)key.Length);
        }

        if (RocksDb.rocksdb_iter_valid(handle) != 0)
            return true;

        byte* error = null;
        RocksDb.rocksdb_iter_get_error(handle, &error);
        if (error is not null)
            throw RocksDb.Failure(error, $"store {_database.Folder}: list");
        return false;
    }

    protected override bool ReleaseHandle()
    {
        _database.ReleaseIterator(handle);
        return true;
    }
}
