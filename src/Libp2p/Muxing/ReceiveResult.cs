namespace Ipcs.Libp2p.Muxing;

/// <summary>What happened to received bytes.</summary>
internal enum ReceiveResult
{
    /// <summary>The reader got them, or they are buffered for it.</summary>
    Accepted,

    /// <summary>They were discarded: the stream is closed, or the application is done with it.</summary>
    Discarded,

    /// <summary>A memory limit is reached: the stream must be reset.</summary>
    LimitExceeded,
}
