using System.Net;

namespace Ipcs.Libp2p.Transport;

/// <summary>The bytes of one connection before anything secures them: a socket, or a socket under a swarm key. Owns what lies below.</summary>
internal interface ITransportChannel : IByteChannel, IDisposable
{
    /// <summary>Where the other end is.</summary>
    IPEndPoint RemoteEndPoint { get; }

    /// <summary>Waits until there is something to read or the end, and holds no buffer meanwhile.</summary>
    ValueTask WaitForDataAsync(CancellationToken cancellationToken);

    /// <summary>Sends no more, in order: what has been written still arrives.</summary>
    void CloseWrite();
}
