using Ipcs.Multiformats;

namespace Ipcs.Libp2p;

/// <summary>What is known about a connected peer.</summary>
/// <param name="Peer">The peer's id.</param>
/// <param name="Address">The remote address of the connection, without <c>/p2p</c>.</param>
/// <param name="Inbound">True when the peer dialled this host.</param>
/// <param name="Muxer">The muxer's protocol name.</param>
/// <param name="Protocols">The protocols that its identify message lists; empty before the message has arrived.</param>
/// <param name="AgentVersion">The agent version of its identify message.</param>
public sealed record PeerInfo(
    PeerId Peer, Multiaddr Address, bool Inbound, string Muxer, IReadOnlyList<string> Protocols, string AgentVersion)
{
    /// <summary>
    /// The addresses that the peer listens on, without <c>/p2p</c>: those of its signed peer record when it sent a valid one, else those of
    /// its identify message.
    /// </summary>
    public IReadOnlyList<Multiaddr> ListenAddresses { get; init; } = [];

    /// <summary>The round trip time of the last ping; null before the first.</summary>
    public TimeSpan? Latency { get; init; }
}
