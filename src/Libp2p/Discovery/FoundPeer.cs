using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Discovery;

/// <summary>A peer that was discovered: nobody has proved yet that it is there.</summary>
/// <param name="Peer">Who it is said to be.</param>
/// <param name="Addresses">Where it is said to listen, without <c>/p2p</c>; at least one.</param>
public sealed record FoundPeer(PeerId Peer, IReadOnlyList<Multiaddr> Addresses);
