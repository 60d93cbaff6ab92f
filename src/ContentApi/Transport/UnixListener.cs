using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace Ipcs.ContentApi.Transport;

/// <summary>A bound unix socket. Owns it; a connection once accepted is Kestrel's.</summary>
internal sealed class UnixListener(Socket socket, EndPoint endpoint, MemoryPool<byte> pool) : IConnectionListener
{
    /// <summary>The most connections at once, each with a thread: containerd has one, and its tools come through it.</summary>
    private const int MaxConnections = 256;

    private readonly SemaphoreSlim _room = new(MaxConnections);

    public EndPoint EndPoint => endpoint;

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        // Who comes when all are taken waits in the socket's own queue.
        await _room.WaitAsync(cancellationToken);
        while (true)
        {
            try
            {
                Socket accepted = await socket.AcceptAsync(cancellationToken);
                return UnixConnection.Start(accepted, endpoint, pool, () => _room.Release());
            }
            catch (Exception e) when (e is ObjectDisposedException or SocketException { SocketErrorCode: SocketError.OperationAborted or SocketError.Interrupted or SocketError.InvalidArgument })
            {
                return null;
            }
            catch (SocketException)
            {
                // The one who knocked is gone already.
            }
        }
    }

    public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        socket.Dispose();
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => UnbindAsync(CancellationToken.None);
}
