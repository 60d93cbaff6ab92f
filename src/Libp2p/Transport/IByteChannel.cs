namespace Ipcs.Libp2p.Transport;

/// <summary>Ordered bytes both ways: what a negotiation needs of a socket, a secured connection or a stream.</summary>
internal interface IByteChannel
{
    /// <summary>True when a read would not wait.</summary>
    bool HasBuffered { get; }

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
