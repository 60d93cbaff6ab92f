using System.Buffers;
using Ipcs.Blockstore.Interop;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// A value read, where RocksDB has it: no copy. Holds the database open. The native memory goes with the disposal, or with the last
/// <see cref="MemoryHandle"/> on it if that is later. There is no finalizer: a <see cref="Span{T}"/> doesn't keep its owner alive,
/// so that one who forgot to dispose would read freed memory; he leaks it instead.
/// </summary>
internal sealed unsafe class PinnedBlock : MemoryManager<byte>
{
    private readonly Database _database;
    private readonly nint _slice;
    private readonly byte* _pointer;
    private readonly int _length;
    private int _users = 1;
    private int _disposed;

    /// <summary>Takes the slice, and one hold on the database.</summary>
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
            Release();
    }

    private void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0)
            _database.Release(_slice);
    }
}
