using System.Net;
using Ipcs.Kademlia.Wire;
using Ipcs.Libp2p;
using Ipcs.Libp2p.Discovery;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Routing;

/// <summary>Filters the addresses of peers by the network that the DHT spans.</summary>
internal static class PeerAddresses
{
    /// <summary>
    /// True for an address that a DHT of this mode uses. <see cref="DhtMode.Lan"/>: all that can be dialled, but loopback only when it is
    /// exchanged with a peer on this machine, since 127.0.0.1 of another machine is not ours. <see cref="DhtMode.Wan"/>: public addresses
    /// and DNS names.
    /// </summary>
    public static bool IsUseful(Multiaddr address, DhtMode mode, bool fromThisMachine) => address.ScopeOf() switch
    {
        NetworkScope.None => false,
        NetworkScope.Loopback => mode == DhtMode.Lan && fromThisMachine,
        NetworkScope.Private => mode == DhtMode.Lan,
        _ => true,
    };

    /// <summary>
    /// The useful ones of a peer's addresses, without <c>/p2p</c>, each once, at most <see cref="DhtPeer.MaxAddresses"/>.
    /// </summary>
    public static IReadOnlyList<Multiaddr> Filter(IEnumerable<Multiaddr> addresses, DhtMode mode, bool fromThisMachine) =>
    [
        .. addresses.Select(a => a.WithoutPeer())
            .OfType<Multiaddr>()
            .Where(a => IsUseful(a, mode, fromThisMachine))
            .Distinct()
            .Take(DhtPeer.MaxAddresses),
    ];

    /// <summary>True when the remote address of a connection is on this machine.</summary>
    public static bool IsThisMachine(Multiaddr remote) => remote.ScopeOf() == NetworkScope.Loopback;

    /// <summary>
    /// The addresses at which a connected peer can be dialled: its listen addresses, where the remote address of the connection replaces
    /// 0.0.0.0, and for an outbound connection the address that was dialled.
    /// </summary>
    public static IReadOnlyList<Multiaddr> Of(PeerInfo peer, DhtMode mode)
    {
        IEnumerable<Multiaddr> listening = peer.ListenAddresses.Select(a => Specify(a, peer.Address));
        return Filter(peer.Inbound ? listening : listening.Prepend(peer.Address), mode, IsThisMachine(peer.Address));
    }

    private static Multiaddr Specify(Multiaddr listening, Multiaddr remote) =>
        listening.TryGetTcp(out string? host, out int port) && port > 0
        && IPAddress.TryParse(host, out IPAddress? ip) && (ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any))
        && remote.TryGetTcp(out string? from, out _) && IPAddress.TryParse(from, out IPAddress? source)
            ? Multiaddr.FromEndPoint(new IPEndPoint(source, port))
            : listening;
}
