using Ipcs.Multiformats;

namespace Ipcs.Kademlia;

/// <summary>A peer and its addresses, as a lookup found them.</summary>
/// <param name="Peer">The peer.</param>
/// <param name="Addresses">The addresses at which it can be dialled, without <c>/p2p</c>; may be empty when it is connected
/// already.</param>
public sealed record AddrInfo(PeerId Peer, IReadOnlyList<Multiaddr> Addresses);
