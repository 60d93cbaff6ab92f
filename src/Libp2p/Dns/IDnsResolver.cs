using System.Net;
using System.Net.Sockets;

namespace Ipcs.Libp2p.Dns;

/// <summary>Resolves the names of <c>/dns*</c> addresses.</summary>
public interface IDnsResolver
{
    /// <summary>Resolves the addresses of a host.</summary>
    /// <exception cref="IOException">The name can't be resolved.</exception>
    Task<IReadOnlyList<IPAddress>> ResolveAsync(string host, AddressFamily family, CancellationToken cancellationToken);

    /// <summary>Queries the TXT records of a name, each as one text; none when the name does not exist.</summary>
    /// <exception cref="IOException">No server answers the query.</exception>
    Task<IReadOnlyList<string>> TextAsync(string name, CancellationToken cancellationToken);
}
