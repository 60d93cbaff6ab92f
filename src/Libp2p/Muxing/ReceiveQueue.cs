using System.Diagnostics;

namespace Ipcs.Libp2p.Muxing;

/// <summary>
/// Bytes that were received on a stream and not read yet, in pooled segments. The segments grow with the amount that arrives: a stream of
/// pings costs little memory, a bulk stream rents rarely. Owns the segments. Used only under the stream's lock.
/// </summary>
internal sealed class ReceiveQueue(ResourceLimit memory)
{
    private const int MinSegment = 512;
    private const int MaxSegment = 64 * 1024;

    /// <summary>
    /// Segments of full size, 8 MiB for all connections. They are rented on one thread and returned on another, for which the shared array
    /// pool is not made.
    /// </summary>
    private static readonly BufferSlab FullSegments = new("receive queue", MaxSegment, 128);

    private Segment? _head;
    private Segment? _tail;
    private ResourceLimit? _protocol;

    /// <summary>Bytes that can be read.</summary>
    public int Length { get; private set; }

    /// <summary>
    /// Counts the queue's memory against the protocol's limit too, now that the protocol is known; false when the limit has no room for
    /// what is queued already.
    /// </summary>
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

    /// <summary>Adds a copy of the bytes; false when a limit has no room for all of them.</summary>
    public bool TryAdd(ReadOnlySpan<byte> data)
    {
        while (data.Length > 0)
        {
            if (_tail is null || _tail.End == _tail.Bytes.Length)
            {
                int size = Math.Clamp(Math.Max(data.Length, 2 * (_tail?.Bytes.Length ?? 0)), MinSegment, MaxSegment);
                PooledBuffer buffer = size > MaxSegment / 2 ? FullSegments.Rent(MaxSegment) : FullSegments.RentShared(size);
                if (!TryReserve(buffer.Memory.Length))
                {
                    FullSegments.Return(buffer);
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

        AssertConsistent();
        return true;
    }

    /// <summary>Moves bytes into the buffer and returns how many.</summary>
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
        AssertConsistent();
        return done;
    }

    /// <summary>Drops all bytes.</summary>
    public void Clear()
    {
        while (_head is { } head)
        {
            Drop(head);
        }

        Length = 0;
    }

    private bool TryReserve(int bytes)
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
        FullSegments.Return(segment.Buffer);
    }

    [Conditional("DEBUG")]
    private void AssertConsistent()
    {
        int length = 0;
        for (Segment? segment = _head; segment is not null; segment = segment.Next)
        {
            Debug.Assert(segment.Start >= 0 && segment.Start < segment.End && segment.End <= segment.Bytes.Length, "no segment is empty");
            length += segment.End - segment.Start;
        }

        Debug.Assert(length == Length, "the length is the sum of the segments");
    }

    private sealed class Segment(PooledBuffer buffer)
    {
        public PooledBuffer Buffer => buffer;

        public Memory<byte> Bytes => buffer.Memory;

        /// <summary>The protocol's limit, when the segment was counted against it.</summary>
        public ResourceLimit? Protocol { get; set; }

        public int Start { get; set; }

        public int End { get; set; }

        public Segment? Next { get; set; }
    }
}
