using System.Net;
using System.Net.Sockets;

namespace Ipcs.Libp2p.Swarm;

/// <summary>What counts as one address in the limits.</summary>
internal static class RemoteNetwork
{
    /// <summary>An IPv4 address itself; of IPv6 the /64, which is what one subscriber has, with as many addresses as it likes.</summary>
    public static IPAddress Of(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
        {
            return address.MapToIPv4();
        }

        if (address.AddressFamily != AddressFamily.InterNetworkV6)
        {
            return address;
        }

        byte[] bytes = address.GetAddressBytes();
        bytes.AsSpan(8).Clear();
        return new IPAddress(bytes);
    }
}
