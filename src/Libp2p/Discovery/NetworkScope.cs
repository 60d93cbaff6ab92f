using System.Net;
using System.Net.Sockets;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Discovery;

/// <summary>From where an address can be reached.</summary>
public enum NetworkScope
{
    /// <summary>From nowhere: 0.0.0.0, a multicast address, or not a TCP address.</summary>
    None,

    /// <summary>From this machine only.</summary>
    Loopback,

    /// <summary>From the local network: link-local, private (RFC 1918), shared (RFC 6598) and unique local (RFC 4193) addresses.</summary>
    Private,

    /// <summary>From everywhere, judging by the address.</summary>
    Public,

    /// <summary>Unknown until the name is resolved.</summary>
    Name,
}

/// <summary>Determines the scope of addresses.</summary>
public static class NetworkScopes
{
    /// <summary>The scope of a TCP address; <see cref="NetworkScope.None"/> for any other address.</summary>
    public static NetworkScope ScopeOf(this Multiaddr address) =>
        !address.TryGetTcp(out string? host, out int port) || port == 0 ? NetworkScope.None
        : IPAddress.TryParse(host, out IPAddress? ip) ? ScopeOf(ip)
        : NetworkScope.Name;

    /// <summary>The scope of an IP address.</summary>
    public static NetworkScope ScopeOf(IPAddress address)
    {
        IPAddress ip = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        if (IPAddress.IsLoopback(ip))
        {
            return NetworkScope.Loopback;
        }

        Span<byte> b = stackalloc byte[16];
        ip.TryWriteBytes(b, out _);
        if (ip.AddressFamily == AddressFamily.InterNetworkV6)
        {
            return ip.Equals(IPAddress.IPv6Any) || ip.IsIPv6Multicast ? NetworkScope.None
                : ip.IsIPv6LinkLocal || (b[0] & 0xfe) == 0xfc ? NetworkScope.Private
                : NetworkScope.Public;
        }

        return b[0] is 0 or >= 224 ? NetworkScope.None
            : b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168)
                || (b[0] == 169 && b[1] == 254) || (b[0] == 100 && (b[1] & 0xc0) == 64) ? NetworkScope.Private
            : NetworkScope.Public;
    }
}
