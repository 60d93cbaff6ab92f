namespace Ipcs.Libp2p.Transport;

/// <summary>Ordered bytes both ways: what a negotiation needs of a socket, a secured connection or a stream.</summary>
internal interface IByteChannel
{
    /// <summary>Reads at least one byte; 0 at the end.</summary>
    ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>Writes all and sends it off.</summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken);
}

/// <summary>Reading whole pieces of a channel.</summary>
internal static class ByteChannel
{
    /// <summary>Fills the buffer.</summary>
    /// <exception cref="EndOfStreamException">The bytes end inside it.</exception>
    public static async ValueTask ReadExactlyAsync(this IByteChannel channel, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (buffer.Length > 0)
        {
            int n = await channel.ReadAsync(buffer, cancellationToken);
            if (n == 0)
            {
                throw new EndOfStreamException("the peer closed the connection");
            }

            buffer = buffer[n..];
        }
    }
}

/// <summary>A TCP socket as a channel. Owns the socket.</summary>
internal sealed class SocketChannel(System.Net.Sockets.Socket socket) : IByteChannel, IDisposable
{
    /// <summary>The socket.</summary>
    public System.Net.Sockets.Socket Socket => socket;

    /// <inheritdoc/>
    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
        socket.ReceiveAsync(buffer, System.Net.Sockets.SocketFlags.None, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        while (data.Length > 0)
        {
            data = data[await socket.SendAsync(data, System.Net.Sockets.SocketFlags.None, cancellationToken)..];
        }
    }

    /// <inheritdoc/>
    public void Dispose() => socket.Dispose();
}
