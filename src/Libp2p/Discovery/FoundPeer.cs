using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Discovery;

/// <summary>A peer that was discovered. Neither its id nor its addresses are proved.</summary>
/// <param name="Peer">The peer's id.</param>
/// <param name="Addresses">The addresses that it listens on, without <c>/p2p</c>; at least one.</param>
public sealed record FoundPeer(PeerId Peer, IReadOnlyList<Multiaddr> Addresses);
