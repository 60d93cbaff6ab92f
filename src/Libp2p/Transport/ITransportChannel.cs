using System.Net;

namespace Ipcs.Libp2p.Transport;

/// <summary>A connection below Noise: a socket, or a socket encrypted with a swarm key. Owns the socket.</summary>
internal interface ITransportChannel : IByteChannel, IDisposable
{
    /// <summary>The remote end point.</summary>
    IPEndPoint RemoteEndPoint { get; }

    /// <summary>Waits until there is something to read, or the end, without a buffer.</summary>
    ValueTask WaitForDataAsync(CancellationToken cancellationToken);

    /// <summary>Closes the sending direction in order: earlier writes still arrive.</summary>
    void CloseWrite();
}
