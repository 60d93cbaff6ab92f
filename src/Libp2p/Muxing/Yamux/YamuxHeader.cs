using System.Buffers.Binary;

namespace Ipcs.Libp2p.Muxing.Yamux;

/// <summary>
/// The header of every yamux frame. Spec: https://github.com/hashicorp/yamux/blob/master/spec.md.
/// <code>version 0 (1) | type (1) | flags (2) | stream id (4) | length (4)      big endian</code>
/// </summary>
internal readonly record struct YamuxHeader(YamuxType Type, YamuxFlags Flags, uint StreamId, uint Length)
{
    /// <summary>Its length in bytes.</summary>
    public const int Size = 12;

    /// <summary>Decodes <see cref="Size"/> bytes; false for another version or an unknown type.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> source, out YamuxHeader header)
    {
        header = new YamuxHeader(
            (YamuxType)source[1],
            (YamuxFlags)BinaryPrimitives.ReadUInt16BigEndian(source[2..]),
            BinaryPrimitives.ReadUInt32BigEndian(source[4..]),
            BinaryPrimitives.ReadUInt32BigEndian(source[8..]));
        return source[0] == 0 && header.Type <= YamuxType.GoAway;
    }

    /// <summary>Encodes it; returns its length.</summary>
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

/// <summary>What a frame is.</summary>
internal enum YamuxType : byte
{
    /// <summary><c>length</c> bytes follow.</summary>
    Data = 0,

    /// <summary><c>length</c> more bytes may be sent on the stream.</summary>
    WindowUpdate = 1,

    /// <summary><c>length</c> is a number that comes back.</summary>
    Ping = 2,

    /// <summary>No more streams; <c>length</c> says why.</summary>
    GoAway = 3,
}

/// <summary>What else a frame says of its stream.</summary>
[Flags]
internal enum YamuxFlags : ushort
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>It is new.</summary>
    Syn = 1,

    /// <summary>It is taken.</summary>
    Ack = 2,

    /// <summary>The sender sends no more.</summary>
    Fin = 4,

    /// <summary>It is over at once.</summary>
    Rst = 8,
}
