namespace Ipcs.Bitswap;

/// <summary>A block can't be had from anybody who was asked.</summary>
public sealed class BlockUnavailableException(string message) : IOException(message);
