using System.Runtime.InteropServices;
using Ipcs.Blockstore.Interop;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// An iterator over one column family as of its creation. Keeps the database open until disposed. For one thread at a time.
/// </summary>
internal sealed unsafe class RocksIterator : SafeHandle
{
    /// <summary>The byte of a key from which on a step past damage is the shortest that is tried: keys are hashes.</summary>
    private const int ShortestStep = 12;

    private readonly Database _database;
    private readonly Action<StoreException>? _onDamage;

    /// <summary>The last key that was read, or sought, when damage is to be skipped.</summary>
    private byte[] _last = [0];
    private bool _started;

    /// <summary>Takes ownership of the iterator and of one reference to the database.</summary>
    public RocksIterator(Database database, nint iterator, Action<StoreException>? onDamage)
        : base(0, ownsHandle: true)
    {
        _database = database;
        _onDamage = onDamage;
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
            Remember(key);
            Seek(key);
        }

        StoreException? failure = Failure();
        if (failure is not null)
        {
            if (_onDamage is null || !failure.IsCorruption)
            {
                throw failure;
            }

            _onDamage(failure);
            SeekPastDamage();
        }

        if (RocksDb.rocksdb_iter_valid(handle) == 0)
        {
            return false;
        }

        if (_onDamage is not null)
        {
            Remember(Key);
        }

        return true;
    }

    protected override bool ReleaseHandle()
    {
        _database.ReleaseIterator(handle);
        return true;
    }

    private void Remember(ReadOnlySpan<byte> key)
    {
        if (_onDamage is not null && !key.IsEmpty)
        {
            _last = key.ToArray();
        }
    }

    private void Seek(ReadOnlySpan<byte> key)
    {
        fixed (byte* k = key)
        {
            RocksDb.rocksdb_iter_seek(handle, k, (nuint)key.Length);
        }
    }

    private StoreException? Failure()
    {
        if (RocksDb.rocksdb_iter_valid(handle) != 0)
        {
            return null;
        }

        byte* error = null;
        RocksDb.rocksdb_iter_get_error(handle, &error);
        return error is null ? null : RocksDb.Failure(error, $"store {_database.Folder}: list");
    }

    /// <summary>
    /// Moves to a key after the damage, which RocksDB does not name: tries ever larger keys, so that at most as many readable keys are left
    /// out as unreadable ones.
    /// </summary>
    private void SeekPastDamage()
    {
        for (int at = Math.Min(_last.Length, ShortestStep) - 1; at >= 0; at--)
        {
            for (int step = 1; _last[at] + step <= byte.MaxValue; step *= 2)
            {
                Seek([.. _last.AsSpan(0, at), (byte)(_last[at] + step)]);
                if (Failure() is null)
                {
                    return;
                }
            }
        }
    }
}
