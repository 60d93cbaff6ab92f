using System.Net;
using System.Net.Sockets;

namespace Ipcs.Libp2p.Swarm;

/// <summary>The network that the limits per address apply to.</summary>
internal static class RemoteNetwork
{
    /// <summary>The address itself for IPv4; its /64 network for IPv6, because one subscriber has a whole /64.</summary>
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
