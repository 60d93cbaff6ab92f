using System.Net;
using Ipcs.Libp2p;
using Ipcs.Libp2p.Discovery;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Routing;

/// <summary>Which addresses of a peer are kept and told on, by the network that the DHT spans.</summary>
internal static class PeerAddresses
{
    /// <summary>
    /// True for what a DHT of this mode has use for: in a LAN everything that can be dialled but loopback, which only a peer of this same machine may name
    /// (another's 127.0.0.1 is not ours); in the WAN public addresses and names.
    /// </summary>
    public static bool IsUseful(Multiaddr address, DhtMode mode, bool fromThisMachine) => address.ScopeOf() switch
    {
        NetworkScope.None => false,
        NetworkScope.Loopback => mode == DhtMode.Lan && fromThisMachine,
        NetworkScope.Private => mode == DhtMode.Lan,
        _ => true,
    };

    /// <summary>Keeps the useful ones of what somebody tells, without <c>/p2p</c>, each once, at most <see cref="Wire.DhtPeer.MaxAddresses"/>.</summary>
    public static IReadOnlyList<Multiaddr> Keep(IEnumerable<Multiaddr> addresses, DhtMode mode, bool fromThisMachine) =>
    [
        .. addresses.Select(a => a.WithoutPeer()).OfType<Multiaddr>().Where(a => IsUseful(a, mode, fromThisMachine)).Distinct().Take(Wire.DhtPeer.MaxAddresses),
    ];

    /// <summary>True when a connection does not leave this machine.</summary>
    public static bool IsThisMachine(Multiaddr remote) => remote.ScopeOf() == NetworkScope.Loopback;

    /// <summary>
    /// Where a connected peer may be dialled: what it says it listens on (0.0.0.0 there means the address it came from) and, when we dialled it, the address that worked.
    /// </summary>
    public static IReadOnlyList<Multiaddr> Of(PeerInfo peer, DhtMode mode)
    {
        IEnumerable<Multiaddr> listening = peer.ListenAddresses.Select(a => Specify(a, peer.Address));
        return Keep(peer.Inbound ? listening : listening.Prepend(peer.Address), mode, IsThisMachine(peer.Address));
    }

    private static Multiaddr Specify(Multiaddr listening, Multiaddr remote) =>
        listening.TryGetTcp(out string? host, out int port) && port > 0
        && IPAddress.TryParse(host, out IPAddress? ip) && (ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any))
        && remote.TryGetTcp(out string? from, out _) && IPAddress.TryParse(from, out IPAddress? source)
            ? Multiaddr.FromEndPoint(new IPEndPoint(source, port))
            : listening;
}
