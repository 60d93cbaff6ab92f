using System.Buffers;
using System.Diagnostics;
using Ipcs.Blockstore.Interop;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// A value in RocksDB's own memory, without a copy. Keeps the database open. The native memory is freed at disposal, or with the last
/// <see cref="MemoryHandle"/> if that is later. There is no finalizer: a <see cref="Span{T}"/> does not keep its owner alive, so a caller
/// that forgets to dispose would read freed memory; without a finalizer the memory leaks instead.
/// </summary>
internal sealed unsafe class PinnedBlock : MemoryManager<byte>
{
    private readonly Database _database;
    private readonly nint _slice;
    private readonly byte* _pointer;
    private readonly int _length;
    private int _users = 1;
    private int _disposed;

    /// <summary>Takes ownership of the slice and of one reference to the database.</summary>
    public PinnedBlock(Database database, nint slice)
    {
        _database = database;
        _slice = slice;
        nuint length;
        _pointer = RocksDb.rocksdb_pinnableslice_value(slice, &length);
        _length = checked((int)length);
    }

    public override Memory<byte> Memory => CreateMemory(_length);

    public override Span<byte> GetSpan()
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _users) == 0, this);
        return new Span<byte>(_pointer, _length);
    }

    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)_length, nameof(elementIndex));
        int users;
        do
        {
            users = Volatile.Read(ref _users);
            ObjectDisposedException.ThrowIf(users == 0, this);
        }
        while (Interlocked.CompareExchange(ref _users, users + 1, users) != users);

        return new MemoryHandle(_pointer + elementIndex, pinnable: this);
    }

    public override void Unpin() => Release();

    protected override void Dispose(bool disposing)
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            Release();
        }
    }

    private void Release()
    {
        int left = Interlocked.Decrement(ref _users);
        Debug.Assert(left >= 0, "a handle is released once");
        if (left == 0)
        {
            _database.Release(_slice);
        }
    }
}
