using System.Buffers.Binary;

namespace Ipcs.Libp2p.Muxing.Yamux;

/// <summary>
/// The header of every yamux frame. Spec: https://github.com/hashicorp/yamux/blob/master/spec.md.
/// <code>version 0 (1) | type (1) | flags (2) | stream id (4) | length (4)      big endian</code>
/// </summary>
internal readonly record struct YamuxHeader(YamuxType Type, YamuxFlags Flags, uint StreamId, uint Length)
{
    /// <summary>The length of a header in bytes.</summary>
    public const int Size = 12;

    /// <summary>Decodes <see cref="Size"/> bytes; false for an unknown version or type.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> source, out YamuxHeader header)
    {
        header = new YamuxHeader(
            (YamuxType)source[1],
            (YamuxFlags)BinaryPrimitives.ReadUInt16BigEndian(source[2..]),
            BinaryPrimitives.ReadUInt32BigEndian(source[4..]),
            BinaryPrimitives.ReadUInt32BigEndian(source[8..]));
        return source[0] == 0 && header.Type <= YamuxType.GoAway;
    }

    /// <summary>Encodes the header; returns <see cref="Size"/>.</summary>
    public int Encode(Span<byte> output)
    {
        output[0] = 0;
        output[1] = (byte)Type;
        BinaryPrimitives.WriteUInt16BigEndian(output[2..], (ushort)Flags);
        BinaryPrimitives.WriteUInt32BigEndian(output[4..], StreamId);
        BinaryPrimitives.WriteUInt32BigEndian(output[8..], Length);
        return Size;
    }
}
