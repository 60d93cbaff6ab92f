using System.Buffers;
using System.Runtime.InteropServices;

namespace Ipcs.Libp2p;

/// <summary>
/// Buffers of one length, in memory that is had once and never given back; the last that was returned goes out first, whichever thread it was, so that few pages are ever
/// touched. Not on the managed heap: large arrays, allocated one by one, would each be a reason for the garbage collector to go through everything. Thread-safe.
/// </summary>
/// <param name="length">Bytes of each.</param>
/// <param name="count">How many there are; beyond these, and for longer ones, the shared pool is asked.</param>
public sealed class BufferSlab(int length, int count)
{
    private readonly NativeBytes _bytes = new(length * count);
    private readonly Stack<int> _free = new(Enumerable.Range(0, count).Reverse());

    /// <summary>Room for at least so many bytes, to be returned.</summary>
    public PooledBuffer Rent(int least)
    {
        if (least <= length)
        {
            lock (_free)
            {
                if (_free.TryPop(out int place))
                {
                    return new PooledBuffer(_bytes.Memory.Slice(place * length, length), place);
                }
            }
        }

        return PooledBuffer.Shared(least);
    }

    /// <summary>Takes back, once, what <see cref="Rent"/> or <see cref="PooledBuffer.Shared"/> gave.</summary>
    public void Return(PooledBuffer buffer)
    {
        if (buffer.Place is { } place)
        {
            lock (_free)
            {
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

        // As long as the process: buffers may be out.
        protected override void Dispose(bool disposing)
        {
        }
    }
}

/// <summary>Bytes of a <see cref="BufferSlab"/>, or of the shared pool.</summary>
/// <param name="Memory">All of them.</param>
/// <param name="Place">Which of the slab's they are; null when they are the shared pool's.</param>
public readonly record struct PooledBuffer(Memory<byte> Memory, int? Place)
{
    /// <summary>At least so many bytes of the shared pool.</summary>
    public static PooledBuffer Shared(int least) => new(ArrayPool<byte>.Shared.Rent(least), null);
}
