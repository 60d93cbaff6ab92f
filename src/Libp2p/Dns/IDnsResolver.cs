using System.Net;
using System.Net.Sockets;

namespace Ipcs.Libp2p.Dns;

/// <summary>What the names of <c>/dns*</c> addresses stand for.</summary>
public interface IDnsResolver
{
    /// <summary>The addresses of a host.</summary>
    /// <exception cref="IOException">There is no answer; the message says why.</exception>
    Task<IReadOnlyList<IPAddress>> ResolveAsync(string host, AddressFamily family, CancellationToken cancellationToken);

    /// <summary>The TXT records of a name, each as one text; none when there is no such name.</summary>
    /// <exception cref="IOException">There is no answer; the message says why.</exception>
    Task<IReadOnlyList<string>> TextAsync(string name, CancellationToken cancellationToken);
}
