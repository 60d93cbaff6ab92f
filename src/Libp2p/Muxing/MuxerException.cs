namespace Ipcs.Libp2p.Muxing;

/// <summary>The peer violated the muxer's protocol: the connection ends.</summary>
public sealed class MuxerException(string message) : IOException(message);
