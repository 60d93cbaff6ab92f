using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Wire;

/// <summary>
/// A <c>ReadContentResponse</c> whose data is not copied before it is encoded. It can be set and written again when its write has returned.
/// <code>offset = 1 (varint) | data = 2</code>
/// Spec: Protos/content.proto.
/// </summary>
internal sealed class ReadReply
{
    /// <summary>Two tags and two varints, in bytes.</summary>
    private const int MaxHeadLength = 2 * (ProtoWriter.MaxTag + ProtoWriter.MaxVarint);

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
        (Offset == 0 ? 0 : ProtoWriter.VarintFieldLength((ulong)Offset)) + (Data.IsEmpty ? 0 : ProtoWriter.BytesFieldLength(Data.Length));

    /// <summary>Encodes the message.</summary>
    public void WriteTo(IBufferWriter<byte> writer)
    {
        var head = new ProtoWriter(writer.GetSpan(MaxHeadLength));
        if (Offset != 0)
        {
            head.VarintField(1, (ulong)Offset);
        }

        if (!Data.IsEmpty)
        {
            head.BytesHead(2, Data.Length);
        }

        writer.Advance(head.Written);
        writer.Write(Data.Span);
    }
}
