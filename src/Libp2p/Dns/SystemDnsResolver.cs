using System.Net;
using System.Net.Sockets;

namespace Ipcs.Libp2p.Dns;

/// <summary>
/// Resolves hosts by the system's resolver, and TXT records, which that does not offer, by DNS queries to the servers it uses.
/// </summary>
public sealed class SystemDnsResolver : IDnsResolver
{
    private const string Configuration = "/etc/resolv.conf";
    private const int DnsPort = 53;

    /// <summary>The maximum number of servers, as in the system's resolver.</summary>
    private const int MaxServers = 3;

    private static readonly TimeSpan QueryTime = TimeSpan.FromSeconds(3);

    private readonly TimeProvider _time;
    private readonly Func<IEnumerable<IPEndPoint>> _servers;

    /// <summary>Creates a resolver that reads the system's servers at each query.</summary>
    /// <param name="time">The clock of time limits.</param>
    public SystemDnsResolver(TimeProvider time)
        : this(time, Servers)
    {
    }

    /// <summary>Creates a resolver with other servers for TXT records.</summary>
    internal SystemDnsResolver(TimeProvider time, Func<IEnumerable<IPEndPoint>> servers)
    {
        _time = time;
        _servers = servers;
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<IPAddress>> ResolveAsync(string host, AddressFamily family, CancellationToken cancellationToken)
    {
        try
        {
            return await System.Net.Dns.GetHostAddressesAsync(host, family, cancellationToken);
        }
        catch (SocketException e)
        {
            throw new IOException($"{host} can't be resolved: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> TextAsync(string name, CancellationToken cancellationToken)
    {
        string reason = $"{Configuration} names no server";
        foreach (IPEndPoint server in _servers())
        {
            using var limit = new Deadline(_time, QueryTime, cancellationToken);
            try
            {
                return await DnsTextQuery.AskAsync(server, name, limit.Token);
            }
            catch (Exception e) when (e is SocketException or IOException
                || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                reason = e is OperationCanceledException ? $"{server} does not answer" : e.Message;
            }
        }

        throw new IOException($"the TXT records of {name} can't be queried: {reason}");
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
