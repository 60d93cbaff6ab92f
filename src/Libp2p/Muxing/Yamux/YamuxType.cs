namespace Ipcs.Libp2p.Muxing.Yamux;

/// <summary>The type of a frame.</summary>
internal enum YamuxType : byte
{
    /// <summary><c>length</c> bytes of data follow.</summary>
    Data = 0,

    /// <summary><c>length</c> more bytes may be sent on the stream.</summary>
    WindowUpdate = 1,

    /// <summary><c>length</c> is a number that the answer repeats.</summary>
    Ping = 2,

    /// <summary>The sender accepts no more streams; <c>length</c> is an error code.</summary>
    GoAway = 3,
}
