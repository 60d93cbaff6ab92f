using System.Net;
using System.Net.Sockets;
using Ipcs.Libp2p.Dns;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Transport;

/// <summary>
/// Resolves multiaddrs to end points. Spec of <c>/dnsaddr</c>: https://github.com/multiformats/multiaddr/blob/master/protocols/DNSADDR.md:
/// TXT records of <c>_dnsaddr.NAME</c>, each <c>dnsaddr=MULTIADDR</c>, which may be <c>/dnsaddr</c> again.
/// </summary>
public sealed class AddressResolver(IDnsResolver dns)
{
    /// <summary>The maximum number of end points of one address: more would only make a dial longer.</summary>
    private const int MaxTargets = 32;

    /// <summary>The maximum number of TXT queries for one address, including those for records that point to records.</summary>
    private const int MaxLookups = 16;

    private const string Prefix = "dnsaddr=";

    /// <summary>True for an address that can be dialled: a host and a TCP port, or <c>/dnsaddr</c>; a <c>/p2p</c> may follow.</summary>
    public static bool CanDial(Multiaddr address) =>
        (address.TryGetTcp(out _, out int port) && port != 0) || DnsAddress(address) is not null;

    /// <summary>Resolves the end points of an address.</summary>
    /// <exception cref="IOException">The address has none, or a name can't be resolved.</exception>
    public async Task<IReadOnlyList<DialTarget>> ResolveAsync(Multiaddr address, CancellationToken cancellationToken)
    {
        var targets = new List<DialTarget>();
        var open = new Queue<Multiaddr>([address]);
        for (int lookups = 0; targets.Count < MaxTargets && open.TryDequeue(out Multiaddr? next);)
        {
            if (DnsAddress(next) is { } name)
            {
                if (lookups++ < MaxLookups)
                {
                    await ExpandAsync(name, next.PeerId ?? address.PeerId, open, cancellationToken);
                }
            }
            else if (next.TryGetTcp(out string? host, out int port))
            {
                IReadOnlyList<IPAddress> ips = await HostAsync(next, host, cancellationToken);
                targets.AddRange(ips.Select(ip => new DialTarget(new IPEndPoint(ip, port), next.PeerId)));
            }
        }

        return targets.Count > 0
            ? targets.GetRange(0, Math.Min(targets.Count, MaxTargets))
            : throw new IOException($"{address} resolves to no TCP address");
    }

    private static string? DnsAddress(Multiaddr address) =>
        address.Components[0].Protocol.Name == "dnsaddr"
        && (address.Components.Count == 1 || (address.Components.Count == 2 && address.PeerId is not null))
            ? address.Components[0].Value
            : null;

    private async Task ExpandAsync(string name, PeerId? wanted, Queue<Multiaddr> open, CancellationToken cancellationToken)
    {
        foreach (string text in await dns.TextAsync("_dnsaddr." + name, cancellationToken))
        {
            // Records of other peers than the wanted one are skipped.
            if (open.Count < MaxTargets && text.StartsWith(Prefix, StringComparison.Ordinal)
                && Multiaddr.TryParse(text[Prefix.Length..], out Multiaddr? address)
                && (wanted is null || address.PeerId is null || address.PeerId == wanted))
            {
                open.Enqueue(wanted is { } peer ? address.WithPeer(peer) : address);
            }
        }
    }

    private async Task<IReadOnlyList<IPAddress>> HostAsync(Multiaddr address, string host, CancellationToken cancellationToken)
    {
        if (IPAddress.TryParse(host, out IPAddress? ip))
        {
            return [ip];
        }

        AddressFamily family = address.Components[0].Protocol.Name switch
        {
            "dns4" => AddressFamily.InterNetwork,
            "dns6" => AddressFamily.InterNetworkV6,
            _ => AddressFamily.Unspecified,
        };
        return await dns.ResolveAsync(host, family, cancellationToken);
    }
}
