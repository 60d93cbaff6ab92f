using System.Buffers;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p;

/// <summary>
/// A fixed number of buffers of one length, in native memory that is allocated once and never freed. The buffer returned last is rented
/// first, by any thread, so that few pages are touched. The memory is outside the managed heap because allocating large arrays makes the
/// garbage collector run full collections. Thread-safe.
/// </summary>
/// <param name="purpose">What the buffers are for: the name under which <see cref="BufferCounts"/> counts them.</param>
/// <param name="length">The length of each buffer in bytes.</param>
/// <param name="count">The number of buffers. When all are rented, and for longer buffers, the shared array pool is used.</param>
public sealed class BufferSlab(string purpose, int length, int count)
{
    private readonly NativeBytes _bytes = new(length * count);
    private readonly Stack<int> _free = new(Enumerable.Range(0, count).Reverse());

    /// <summary>Rents a buffer of at least <paramref name="minimum"/> bytes, which must be returned once.</summary>
    public PooledBuffer Rent(int minimum)
    {
        if (minimum <= length)
        {
            lock (_free)
            {
                if (_free.TryPop(out int place))
                {
                    BufferCounts.Rented(purpose);
                    return new PooledBuffer(_bytes.Memory.Slice(place * length, length), place);
                }
            }
        }

        return RentShared(minimum);
    }

    /// <summary>
    /// Rents a buffer of at least <paramref name="minimum"/> bytes from the shared array pool, which must be returned once.
    /// </summary>
    public PooledBuffer RentShared(int minimum)
    {
        BufferCounts.Rented(purpose);
        return new PooledBuffer(ArrayPool<byte>.Shared.Rent(minimum), null);
    }

    /// <summary>Returns a buffer that <see cref="Rent"/> or <see cref="RentShared"/> gave.</summary>
    public void Return(PooledBuffer buffer)
    {
        BufferCounts.Returned(purpose);
        if (buffer.Place is { } place)
        {
            lock (_free)
            {
                Debug.Assert(!_free.Contains(place), "a buffer is returned once");
                _free.Push(place);
            }
        }
        else if (MemoryMarshal.TryGetArray(buffer.Memory, out ArraySegment<byte> array))
        {
            ArrayPool<byte>.Shared.Return(array.Array!);
        }
    }

    private sealed unsafe class NativeBytes(int length) : MemoryManager<byte>
    {
        private readonly void* _start = NativeMemory.Alloc((nuint)length);

        public override Span<byte> GetSpan() => new(_start, length);

        public override MemoryHandle Pin(int elementIndex = 0) => new((byte*)_start + elementIndex);

        public override void Unpin()
        {
        }

        // The memory stays allocated as long as the process: buffers may still be rented.
        protected override void Dispose(bool disposing)
        {
        }
    }
}
