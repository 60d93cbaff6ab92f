using System.Net;
using System.Net.Sockets;

namespace Ipcs.Libp2p.Dns;

/// <summary>Hosts by the system's resolver; TXT records, which it does not offer, by a query of our own to the servers it uses.</summary>
public sealed class SystemDnsResolver : IDnsResolver
{
    private const string Configuration = "/etc/resolv.conf";
    private const int DnsPort = 53;

    /// <summary>As many servers as the system's resolver uses.</summary>
    private const int MaxServers = 3;

    private static readonly TimeSpan QueryTime = TimeSpan.FromSeconds(3);

    private readonly Func<IEnumerable<IPEndPoint>> _servers;

    /// <summary>With the servers that the system uses, as they are at each query.</summary>
    public SystemDnsResolver()
        : this(Servers)
    {
    }

    /// <summary>With other servers for TXT records.</summary>
    internal SystemDnsResolver(Func<IEnumerable<IPEndPoint>> servers) => _servers = servers;

    /// <inheritdoc/>
    public async Task<IReadOnlyList<IPAddress>> ResolveAsync(string host, AddressFamily family, CancellationToken cancellationToken)
    {
        try
        {
            return await System.Net.Dns.GetHostAddressesAsync(host, family, cancellationToken);
        }
        catch (SocketException e)
        {
            throw new IOException($"{host} has no address: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> TextAsync(string name, CancellationToken cancellationToken)
    {
        string reason = $"{Configuration} names no server";
        foreach (IPEndPoint server in _servers())
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(QueryTime);
            try
            {
                return await DnsTextQuery.AskAsync(server, name, limit.Token);
            }
            catch (Exception e) when (e is SocketException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                reason = e is OperationCanceledException ? $"{server} does not answer" : e.Message;
            }
        }

        throw new IOException($"no TXT records of {name}: {reason}");
    }

    private static IEnumerable<IPEndPoint> Servers()
    {
        string[] lines = File.Exists(Configuration) ? File.ReadAllLines(Configuration) : [];
        return lines
            .Select(line => line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            .Where(words => words.Length >= 2 && words[0] == "nameserver" && IPAddress.TryParse(words[1], out _))
            .Select(words => new IPEndPoint(IPAddress.Parse(words[1]), DnsPort))
            .Take(MaxServers);
    }
}
