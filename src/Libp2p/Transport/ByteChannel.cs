namespace Ipcs.Libp2p.Transport;

/// <summary>Extensions of <see cref="IByteChannel"/>.</summary>
internal static class ByteChannel
{
    /// <summary>Fills the buffer.</summary>
    /// <exception cref="EndOfStreamException">The channel ends before the buffer is full.</exception>
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
