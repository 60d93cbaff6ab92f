using System.Net;
using System.Net.NetworkInformation;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Discovery;

/// <summary>Turns listening addresses into addresses that others can dial: 0.0.0.0 and :: become the addresses of the interfaces.</summary>
public static class InterfaceAddresses
{
    /// <summary>The maximum number of addresses announced: each may cost a peer a dial.</summary>
    public const int MaxAddresses = 16;

    /// <summary>
    /// The addresses to announce. Loopback is left out when there are others. IPv6 link-local addresses are left out because they need a
    /// zone.
    /// </summary>
    public static IReadOnlyList<Multiaddr> Expand(IReadOnlyList<Multiaddr> listening) => Expand(listening, Local());

    /// <summary>The same for given interface addresses.</summary>
    public static IReadOnlyList<Multiaddr> Expand(IReadOnlyList<Multiaddr> listening, IReadOnlyList<IPAddress> interfaces)
    {
        var all = new List<Multiaddr>();
        foreach (Multiaddr address in listening)
        {
            if (!address.TryGetTcp(out string? host, out int port))
            {
                continue;
            }

            if (!IPAddress.TryParse(host, out IPAddress? ip) || !IsUnspecified(ip))
            {
                all.Add(address);
                continue;
            }

            all.AddRange(interfaces
                .Where(i => i.AddressFamily == ip.AddressFamily && !i.IsIPv6LinkLocal)
                .Select(i => Multiaddr.FromEndPoint(new IPEndPoint(i, port))));
        }

        List<Multiaddr> reachable =
            [.. all.Distinct().Where(a => a.ScopeOf() is not (NetworkScope.Loopback or NetworkScope.None)).Take(MaxAddresses)];
        return reachable.Count > 0
            ? reachable
            : [.. all.Distinct().Where(a => a.ScopeOf() == NetworkScope.Loopback).Take(MaxAddresses)];
    }

    /// <summary>The unicast addresses of all interfaces that are up, including loopback.</summary>
    public static IReadOnlyList<IPAddress> Local()
    {
        try
        {
            return
            [
                .. NetworkInterface.GetAllNetworkInterfaces()
                    .Where(i => i.OperationalStatus is OperationalStatus.Up or OperationalStatus.Unknown)
                    .SelectMany(i => i.GetIPProperties().UnicastAddresses)
                    .Select(u => u.Address),
            ];
        }
        catch (NetworkInformationException)
        {
            // An interface was removed during the listing; the next call lists the others.
            return [];
        }
    }

    private static bool IsUnspecified(IPAddress ip) => ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any);
}
