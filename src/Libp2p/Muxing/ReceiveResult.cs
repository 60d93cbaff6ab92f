namespace Ipcs.Libp2p.Muxing;

/// <summary>What became of received bytes.</summary>
internal enum ReceiveResult
{
    /// <summary>They are the reader's, or wait for it.</summary>
    Taken,

    /// <summary>The stream is over: nobody wants them.</summary>
    Dropped,

    /// <summary>The memory for them is used up: the stream is to be reset.</summary>
    NoRoom,
}
