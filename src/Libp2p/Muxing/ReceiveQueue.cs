namespace Ipcs.Libp2p.Muxing;

/// <summary>
/// Bytes received on a stream and not read yet, in pooled segments whose size follows what arrives: a stream of pings costs little, a bulk
/// stream few rents. Owns the segments. Touched only under the stream's lock.
/// </summary>
internal sealed class ReceiveQueue(ResourceLimit memory)
{
    private const int MinSegment = 512;
    private const int MaxSegment = 64 * 1024;

    /// <summary>Segments of the full size: 8 MiB, for all connections. One thread brings what another takes out, for which the shared pool is not made.</summary>
    private static readonly BufferSlab Full = new(MaxSegment, 128);

    private Segment? _head;
    private Segment? _tail;
    private ResourceLimit? _protocol;

    /// <summary>Bytes that can be read.</summary>
    public int Length { get; private set; }

    /// <summary>Takes of the protocol's budget too, once the protocol is known, also for what is here; false when it has no room for that.</summary>
    public bool TryCharge(ResourceLimit protocol)
    {
        _protocol = protocol;
        for (Segment? segment = _head; segment is not null; segment = segment.Next)
        {
            if (!protocol.TryReserve(segment.Bytes.Length))
            {
                return false;
            }

            segment.Protocol = protocol;
        }

        return true;
    }

    /// <summary>Adds a copy of the bytes; false when a budget has no room for them.</summary>
    public bool TryAdd(ReadOnlySpan<byte> data)
    {
        while (data.Length > 0)
        {
            if (_tail is null || _tail.End == _tail.Bytes.Length)
            {
                int size = Math.Clamp(Math.Max(data.Length, 2 * (_tail?.Bytes.Length ?? 0)), MinSegment, MaxSegment);
                PooledBuffer buffer = size > MaxSegment / 2 ? Full.Rent(MaxSegment) : PooledBuffer.Shared(size);
                if (!TryTake(buffer.Memory.Length))
                {
                    Full.Return(buffer);
                    return false;
                }

                var segment = new Segment(buffer) { Protocol = _protocol };
                if (_tail is null)
                {
                    _head = segment;
                }
                else
                {
                    _tail.Next = segment;
                }

                _tail = segment;
            }

            int n = Math.Min(data.Length, _tail.Bytes.Length - _tail.End);
            data[..n].CopyTo(_tail.Bytes.Span[_tail.End..]);
            _tail.End += n;
            Length += n;
            data = data[n..];
        }

        return true;
    }

    /// <summary>Moves bytes out.</summary>
    public int Read(Span<byte> buffer)
    {
        int done = 0;
        while (done < buffer.Length && _head is { } head)
        {
            int n = Math.Min(buffer.Length - done, head.End - head.Start);
            head.Bytes.Span.Slice(head.Start, n).CopyTo(buffer[done..]);
            head.Start += n;
            done += n;
            if (head.Start == head.End)
            {
                Drop(head);
            }
        }

        Length -= done;
        return done;
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        while (_head is { } head)
        {
            Drop(head);
        }

        Length = 0;
    }

    private bool TryTake(int bytes)
    {
        if (!memory.TryReserve(bytes))
        {
            return false;
        }

        if (_protocol?.TryReserve(bytes) == false)
        {
            memory.Release(bytes);
            return false;
        }

        return true;
    }

    private void Drop(Segment segment)
    {
        _head = segment.Next;
        if (_head is null)
        {
            _tail = null;
        }

        memory.Release(segment.Bytes.Length);
        segment.Protocol?.Release(segment.Bytes.Length);
        Full.Return(segment.Buffer);
    }

    private sealed class Segment(PooledBuffer buffer)
    {
        public PooledBuffer Buffer => buffer;

        public Memory<byte> Bytes => buffer.Memory;

        public ResourceLimit? Protocol { get; set; }

        public int Start { get; set; }

        public int End { get; set; }

        public Segment? Next { get; set; }
    }
}
