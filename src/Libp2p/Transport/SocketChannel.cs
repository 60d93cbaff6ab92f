using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace Ipcs.Libp2p.Transport;

/// <summary>A TCP socket as a channel, whose bytes are counted if counters are given. Owns the socket.</summary>
internal sealed class SocketChannel(Socket socket, ByteCounters? counters = null) : ITransportChannel
{
    /// <inheritdoc/>
    public IPEndPoint RemoteEndPoint { get; } = (IPEndPoint)socket.RemoteEndPoint!;

    /// <inheritdoc/>
    public bool HasBuffered => socket.Available > 0;

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int n = await socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken);
        counters?.AddReceived(n);
        return n;
    }

    /// <inheritdoc/>
    public ValueTask WaitForDataAsync(CancellationToken cancellationToken)
    {
        // A receive into an empty buffer completes when there is something to read.
        ValueTask<int> wait = socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None, cancellationToken);
        return wait.IsCompletedSuccessfully ? Done(wait.Result) : new ValueTask(wait.AsTask());
        static ValueTask Done(
            int bytes) => bytes == 0 ? ValueTask.CompletedTask : throw new InvalidOperationException("an empty receive returned bytes");
    }

    /// <inheritdoc/>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        while (data.Length > 0)
        {
            int n = await socket.SendAsync(data, SocketFlags.None, cancellationToken);
            counters?.AddSent(n);
            data = data[n..];
        }
    }

    /// <inheritdoc/>
    public void CloseWrite()
    {
        try
        {
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The socket is closed already.
        }
    }

    /// <inheritdoc/>
    public void Dispose() => socket.Dispose();
}
