using System.Buffers;
using Google.Protobuf;

namespace Ipcs.ContentApi.Wire;

/// <summary>
/// A <c>ReadContentResponse</c> over bytes that are lent: they are copied into the connection's buffers by the time the write returns.
/// <code>offset = 1 (varint) | data = 2</code>
/// </summary>
internal sealed class ReadReply(long offset, ReadOnlyMemory<byte> data)
{
    private const byte OffsetTag = (1 << 3) | 0;
    private const byte DataTag = (2 << 3) | 2;

    /// <summary>Two tags and two varints.</summary>
    private const int MaxHeaderLength = 1 + 10 + 1 + 5;

    /// <summary>Where in the content the data begins.</summary>
    public long Offset { get; } = offset;

    /// <summary>The bytes.</summary>
    public ReadOnlyMemory<byte> Data { get; } = data;

    /// <summary>The length of the encoded message.</summary>
    public int CalculateSize() =>
        (Offset == 0 ? 0 : 1 + CodedOutputStream.ComputeInt64Size(Offset))
        + (Data.IsEmpty ? 0 : 1 + CodedOutputStream.ComputeLengthSize(Data.Length) + Data.Length);

    /// <summary>Writes the message.</summary>
    public void WriteTo(IBufferWriter<byte> writer)
    {
        Span<byte> header = writer.GetSpan(MaxHeaderLength);
        int n = 0;
        if (Offset != 0)
        {
            header[n++] = OffsetTag;
            n += Multiformats.Varint.Write(header[n..], (ulong)Offset);
        }

        if (!Data.IsEmpty)
        {
            header[n++] = DataTag;
            n += Multiformats.Varint.Write(header[n..], (ulong)Data.Length);
        }

        writer.Advance(n);
        writer.Write(Data.Span);
    }
}
