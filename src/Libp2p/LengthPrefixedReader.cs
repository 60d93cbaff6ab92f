using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p;

/// <summary>Reads the length-prefixed messages of one stream, one after the other.</summary>
/// <param name="stream">The stream.</param>
/// <param name="maxLength">The maximum length of a message in bytes.</param>
public sealed class LengthPrefixedReader(PeerStream stream, int maxLength)
{
    private readonly byte[] _head = new byte[Varint.MaxLength];

    /// <summary>Reads the next message into pooled memory of exactly its length; null at the end of the stream.</summary>
    /// <exception cref="InvalidDataException">
    /// The length is over the maximum or not a varint, or the stream ends inside the message.
    /// </exception>
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

    /// <summary>Reads the length of the next message, whose bytes the caller must then read; null at the end of the stream.</summary>
    /// <exception cref="InvalidDataException">The length is over the maximum or not a varint.</exception>
    public async ValueTask<int?> ReadLengthAsync(CancellationToken cancellationToken)
    {
        for (int n = 0; ;)
        {
            // One byte at a time, from the stream's receive buffer: what follows the length belongs to the message.
            if (await stream.ReadAsync(_head.AsMemory(n, 1), cancellationToken) == 0)
            {
                return n == 0 ? null : throw new InvalidDataException("the stream ends inside a message length");
            }

            n++;
            OperationStatus status = Varint.TryRead(_head.AsSpan(0, n), out ulong value, out _);
            if (status == OperationStatus.Done)
            {
                return value <= (ulong)maxLength
                    ? (int)value
                    : throw new InvalidDataException($"a message of {value} bytes is longer than {maxLength}");
            }

            if (status == OperationStatus.InvalidData)
            {
                throw new InvalidDataException("a message length is not a varint");
            }
        }
    }

    /// <summary>Fills the buffer with bytes of the message whose length was read.</summary>
    /// <exception cref="InvalidDataException">The stream ends inside the message.</exception>
    public async ValueTask ReadBytesAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (await stream.ReadFullyAsync(buffer, cancellationToken) < buffer.Length)
        {
            throw new InvalidDataException("the stream ends inside a message");
        }
    }

    private sealed class PooledMessage : IMemoryOwner<byte>
    {
        private const string Purpose = "length-prefixed message";

        private readonly int _length;
        private byte[]? _array;

        public PooledMessage(int length)
        {
            _length = length;
            _array = ArrayPool<byte>.Shared.Rent(length);
            BufferCounts.Rented(Purpose);
        }

        public Memory<byte> Memory => (_array ?? throw new ObjectDisposedException(nameof(PooledMessage))).AsMemory(0, _length);

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _array, null) is { } array)
            {
                BufferCounts.Returned(Purpose);
                ArrayPool<byte>.Shared.Return(array);
            }
        }
    }
}
