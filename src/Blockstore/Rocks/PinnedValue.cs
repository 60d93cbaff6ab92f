using System.Buffers;
using Ipcs.Blockstore.Interop;

namespace Ipcs.Blockstore.Rocks;

/// <summary>A value read, where RocksDB has it: no copy. Holds the database open until it is disposed;
/// has no finalizer, since a span of it may outlive it.</summary>
internal sealed unsafe class PinnedValue : MemoryManager<byte>
{
    private readonly Database _database;
    private readonly byte* _pointer;
    private readonly int _length;
    private nint _slice;

    public PinnedValue(Database database, nint slice)
    {
        _database = database;
        _slice = slice;
        nuint length;
        _pointer = RocksDb.rocksdb_pinnableslice_value(slice, &length);
        _length = (int)length;
    }

    /// <inheritdoc/>
    public override Span<byte> GetSpan()
    {
        ObjectDisposedException.ThrowIf(_slice == 0, this);
        return new Span<byte>(_pointer, _length);
    }

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ObjectDisposedException.ThrowIf(_slice == 0, this);
        return new MemoryHandle(_pointer + elementIndex);
    }

    /// <inheritdoc/>
    public override void Unpin()
    {
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        nint slice = Interlocked.Exchange(ref _slice, 0);
        if (slice != 0)
        {
            _database.Release(slice);
        }
    }
}
