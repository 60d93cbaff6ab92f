using System.Buffers;
using Google.Protobuf;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Wire;

/// <summary>
/// A <c>ReadContentResponse</c> whose data is not copied before it is encoded. It can be set and written again when its write has returned.
/// <code>offset = 1 (varint) | data = 2</code>
/// Encoding: https://protobuf.dev/programming-guides/encoding/.
/// </summary>
internal sealed class ReadReply
{
    private const byte OffsetTag = (1 << 3) | 0;
    private const byte DataTag = (2 << 3) | 2;

    /// <summary>Two tags and two varints, in bytes.</summary>
    private const int MaxHeaderLength = 1 + 10 + 1 + 5;

    /// <summary>Where in the content the data begins, in bytes.</summary>
    public long Offset { get; private set; }

    /// <summary>The data, borrowed from the caller of <see cref="Set"/> until the message is encoded.</summary>
    public ReadOnlyMemory<byte> Data { get; private set; }

    /// <summary>Replaces the message.</summary>
    public void Set(long offset, ReadOnlyMemory<byte> data)
    {
        Offset = offset;
        Data = data;
    }

    /// <summary>The length of the encoded message, in bytes.</summary>
    public int CalculateSize() =>
        (Offset == 0 ? 0 : 1 + CodedOutputStream.ComputeInt64Size(Offset))
        + (Data.IsEmpty ? 0 : 1 + CodedOutputStream.ComputeLengthSize(Data.Length) + Data.Length);

    /// <summary>Encodes the message.</summary>
    public void WriteTo(IBufferWriter<byte> writer)
    {
        Span<byte> header = writer.GetSpan(MaxHeaderLength);
        int n = 0;
        if (Offset != 0)
        {
            header[n++] = OffsetTag;
            n += Varint.Write(header[n..], (ulong)Offset);
        }

        if (!Data.IsEmpty)
        {
            header[n++] = DataTag;
            n += Varint.Write(header[n..], (ulong)Data.Length);
        }

        writer.Advance(n);
        writer.Write(Data.Span);
    }
}
