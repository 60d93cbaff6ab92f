using System.Diagnostics;
using Ipcs.Blockstore.Interop;

namespace Ipcs.Blockstore.Rocks;

/// <summary>Puts, merges and deletes that are written atomically.</summary>
internal readonly unsafe ref struct Batch
{
    private readonly nint[] _families;

    public Batch(nint[] families)
    {
        _families = families;
        Pointer = RocksDb.rocksdb_writebatch_create();
    }

    public nint Pointer { get; }

    public void Put(ColumnFamily family, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        Debug.Assert(!key.IsEmpty, "no key is empty");
        fixed (byte* k = key, v = value)
        {
            RocksDb.rocksdb_writebatch_put_cf(Pointer, _families[(int)family], k, (nuint)key.Length, v, (nuint)value.Length);
        }
    }

    /// <summary>Adds to a sum (8 bytes, little-endian).</summary>
    public void Merge(ColumnFamily family, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        Debug.Assert(value.Length == sizeof(long), "RocksDB's uint64add operator takes 8 bytes");
        fixed (byte* k = key, v = value)
        {
            RocksDb.rocksdb_writebatch_merge_cf(Pointer, _families[(int)family], k, (nuint)key.Length, v, (nuint)value.Length);
        }
    }

    public void Delete(ColumnFamily family, ReadOnlySpan<byte> key)
    {
        fixed (byte* k = key)
        {
            RocksDb.rocksdb_writebatch_delete_cf(Pointer, _families[(int)family], k, (nuint)key.Length);
        }
    }

    public void Dispose() => RocksDb.rocksdb_writebatch_destroy(Pointer);
}
