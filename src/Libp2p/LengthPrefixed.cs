using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p;

/// <summary>Messages on a stream, each behind its length as a varint.</summary>
public static class LengthPrefixed
{
    /// <summary>Reads one message into pooled memory; null when the stream ends before it.</summary>
    /// <param name="stream">The stream; must be read through the same <see cref="LengthPrefixedReader"/> when several messages follow.</param>
    /// <param name="maxLength">The longest message taken, in bytes.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="InvalidDataException">The length is over the bound or no varint.</exception>
    public static ValueTask<IMemoryOwner<byte>?> ReadMessageAsync(this PeerStream stream, int maxLength, CancellationToken cancellationToken) =>
        new LengthPrefixedReader(stream, maxLength).ReadAsync(cancellationToken);

    /// <summary>Writes one message, its length in the same write when it is small.</summary>
    public static async ValueTask WriteMessageAsync(this PeerStream stream, ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
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

/// <summary>Reads the messages of one stream, one after the other.</summary>
public sealed class LengthPrefixedReader(PeerStream stream, int maxLength)
{
    private readonly byte[] _head = new byte[Varint.MaxLength];

    /// <summary>The next message in pooled memory of exactly its length; null at the end of the stream.</summary>
    /// <exception cref="InvalidDataException">The length is over the bound or no varint, or the stream ends inside the message.</exception>
    public async ValueTask<IMemoryOwner<byte>?> ReadAsync(CancellationToken cancellationToken)
    {
        if (await ReadLengthAsync(cancellationToken) is not { } length)
        {
            return null;
        }

        var message = new PooledMessage(length);
        try
        {
            await ReadBytesAsync(message.Memory, cancellationToken);
            return message;
        }
        catch
        {
            message.Dispose();
            throw;
        }
    }

    /// <summary>The length of the next message, whose bytes are then the caller's to read; null at the end of the stream.</summary>
    /// <exception cref="InvalidDataException">The length is over the bound or no varint.</exception>
    public async ValueTask<int?> ReadLengthAsync(CancellationToken cancellationToken)
    {
        for (int n = 0; ;)
        {
            // Byte by byte: they lie in the stream's buffer, and what follows is the message's.
            if (await stream.ReadAsync(_head.AsMemory(n, 1), cancellationToken) == 0)
            {
                return n == 0 ? null : throw new InvalidDataException("the stream ends inside a length");
            }

            n++;
            OperationStatus status = Varint.TryRead(_head.AsSpan(0, n), out ulong value, out _);
            if (status == OperationStatus.Done)
            {
                return value <= (ulong)maxLength ? (int)value : throw new InvalidDataException($"a message of {value} bytes is longer than {maxLength}");
            }

            if (status == OperationStatus.InvalidData)
            {
                throw new InvalidDataException("a message's length is no varint");
            }
        }
    }

    /// <summary>Reads bytes of the message whose length has been read: as many as the buffer takes.</summary>
    /// <exception cref="InvalidDataException">The stream ends inside the message.</exception>
    public async ValueTask ReadBytesAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (await stream.ReadFullyAsync(buffer, cancellationToken) < buffer.Length)
        {
            throw new InvalidDataException("the stream ends inside a message");
        }
    }

    private sealed class PooledMessage(int length) : IMemoryOwner<byte>
    {
        private byte[]? _array = ArrayPool<byte>.Shared.Rent(length);

        public Memory<byte> Memory => (_array ?? throw new ObjectDisposedException(nameof(PooledMessage))).AsMemory(0, length);

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _array, null) is { } array)
            {
                ArrayPool<byte>.Shared.Return(array);
            }
        }
    }
}
