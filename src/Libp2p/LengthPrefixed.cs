using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p;

/// <summary>Messages on a stream, each preceded by its length as a varint.</summary>
public static class LengthPrefixed
{
    /// <summary>Reads one message into pooled memory; null when the stream ends before the message.</summary>
    /// <param name="stream">The stream. To read several messages use one <see cref="LengthPrefixedReader"/>.</param>
    /// <param name="maxLength">The maximum length of the message in bytes.</param>
    /// <param name="cancellationToken">Cancels the read.</param>
    /// <exception cref="InvalidDataException">The length is over the maximum or not a varint.</exception>
    public static ValueTask<IMemoryOwner<byte>?> ReadMessageAsync(
        this PeerStream stream, int maxLength, CancellationToken cancellationToken) =>
        new LengthPrefixedReader(stream, maxLength).ReadAsync(cancellationToken);

    /// <summary>Writes one message; a small one in the same write as its length.</summary>
    public static async ValueTask WriteMessageAsync(
        this PeerStream stream, ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        const int Small = 4096;
        byte[] head = new byte[Varint.MaxLength + (message.Length <= Small ? message.Length : 0)];
        int n = Varint.Write(head, (ulong)message.Length);
        if (message.Length <= Small)
        {
            message.CopyTo(head.AsMemory(n));
            await stream.WriteAsync(head.AsMemory(0, n + message.Length), cancellationToken);
            return;
        }

        await stream.WriteAsync(head.AsMemory(0, n), cancellationToken);
        await stream.WriteAsync(message, cancellationToken);
    }
}
