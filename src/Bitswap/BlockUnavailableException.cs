namespace Ipcs.Bitswap;

/// <summary>No peer has sent a requested block.</summary>
public sealed class BlockUnavailableException(string message) : IOException(message);
