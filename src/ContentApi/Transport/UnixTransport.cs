using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace Ipcs.ContentApi.Transport;

/// <summary>
/// Kestrel's transport for the content socket. Kestrel's own lets one thread wait for all sockets and others be woken one after the other until
/// a request is handled; containerd has one connection or two, and most of a small Read's time is such waking. Here each connection has a thread
/// that waits in the kernel for its bytes and takes the frames apart itself, and replies are sent by whoever wrote them.
/// </summary>
internal sealed class UnixTransport(IMemoryPoolFactory<byte> pools) : IConnectionListenerFactory, IConnectionListenerFactorySelector
{
    /// <summary>Connections that wait to be accepted.</summary>
    private const int Backlog = 128;

    public bool CanBind(EndPoint endpoint) => endpoint is UnixDomainSocketEndPoint;

    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Bind(endpoint);
            socket.Listen(Backlog);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw e.SocketErrorCode == SocketError.AddressAlreadyInUse ? new AddressInUseException(e.Message, e) : e;
        }

        return ValueTask.FromResult<IConnectionListener>(new UnixListener(socket, endpoint, pools.Create()));
    }
}
