namespace Ipcs.Libp2p.Muxing.Yamux;

/// <summary>The flags of a frame.</summary>
[Flags]
internal enum YamuxFlags : ushort
{
    /// <summary>No flag.</summary>
    None = 0,

    /// <summary>The stream is new.</summary>
    Syn = 1,

    /// <summary>The stream is accepted.</summary>
    Ack = 2,

    /// <summary>The sender closes its side.</summary>
    Fin = 4,

    /// <summary>The stream is reset.</summary>
    Rst = 8,
}
