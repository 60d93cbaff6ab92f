using System.Buffers;

namespace Ipcs.TestKit;

/// <summary>Cuts bytes into the segments of a sequence, as they come from a pipe.</summary>
public static class Pieces
{
    /// <summary>A sequence of segments of <paramref name="length"/> bytes; the last one may be shorter.</summary>
    public static ReadOnlySequence<byte> Of(byte[] bytes, int length)
    {
        var first = new Segment(bytes.AsMemory(0, Math.Min(length, bytes.Length)));
        Segment last = first;
        for (int at = length; at < bytes.Length; at += length)
        {
            last = last.Append(bytes.AsMemory(at, Math.Min(length, bytes.Length - at)));
        }

        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory) => Memory = memory;

        public Segment Append(ReadOnlyMemory<byte> memory)
        {
            var next = new Segment(memory) { RunningIndex = RunningIndex + Memory.Length };
            Next = next;
            return next;
        }
    }
}
