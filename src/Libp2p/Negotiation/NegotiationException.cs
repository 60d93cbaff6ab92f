namespace Ipcs.Libp2p.Negotiation;

/// <summary>The two sides share no protocol, or the peer violates multistream-select.</summary>
public sealed class NegotiationException(string message) : IOException(message);
