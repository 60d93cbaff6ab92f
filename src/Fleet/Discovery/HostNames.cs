using System.Net;
using System.Net.Sockets;
using Ipcs.Libp2p.Dns;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Discovery;

/// <summary>Resolves peer addresses whose DNS name may have several peers, such as that of a headless service.</summary>
public static class HostNames
{
    /// <summary>True for an address with a DNS name (<c>/dnsaddr</c> too) and without <c>/p2p</c>.</summary>
    public static bool IsName(Multiaddr address) => address.PeerId is null
        && (address.TryGetTcp(out string? host, out _) ? !IPAddress.TryParse(host, out _) : AddressResolver.CanDial(address));

    /// <summary>Resolves a name to its current addresses; those of <c>/dnsaddr</c> include the peer IDs.</summary>
    /// <exception cref="IOException">The name has no address.</exception>
    public static async Task<IReadOnlyList<Multiaddr>> ResolveAsync(
        IDnsResolver resolver, Multiaddr name, CancellationToken cancellationToken)
    {
        if (!name.TryGetTcp(out string? host, out int port))
        {
            IReadOnlyList<DialTarget> targets = await new AddressResolver(resolver).ResolveAsync(name, cancellationToken);
            return
            [
                .. targets.Select(t =>
                    t.Peer is { } peer ? Multiaddr.FromEndPoint(t.EndPoint).WithPeer(peer) : Multiaddr.FromEndPoint(t.EndPoint)),
            ];
        }

        AddressFamily family = name.Components[0].Protocol.Name switch
        {
            "dns4" => AddressFamily.InterNetwork,
            "dns6" => AddressFamily.InterNetworkV6,
            _ => AddressFamily.Unspecified,
        };
        IReadOnlyList<IPAddress> addresses = await resolver.ResolveAsync(host, family, cancellationToken);
        return [.. addresses.Select(a => Multiaddr.FromEndPoint(new IPEndPoint(a, port)))];
    }
}
