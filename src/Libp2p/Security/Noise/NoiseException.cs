namespace Ipcs.Libp2p.Security.Noise;

/// <summary>The peer violates the Noise protocol, or does not prove its identity.</summary>
public sealed class NoiseException(string message) : IOException(message);
