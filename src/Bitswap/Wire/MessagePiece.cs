using System.Buffers;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Ipcs.Libp2p;

namespace Ipcs.Bitswap.Wire;

/// <summary>
/// Consecutive fields of a message, decoded as a message of their own. Its memory is returned when the piece and all parts that were shared
/// are disposed.
/// </summary>
/// <param name="capacity">The maximum length in bytes.</param>
/// <param name="begins">True for the first piece of a message.</param>
internal sealed class MessagePiece(int capacity, bool begins) : IDisposable
{
    /// <summary>
    /// The maximum length of a piece in bytes, unless one field is longer: two blocks of the usual length and their heads.
    /// </summary>
    public const int UsualLength = 576 << 10;

    /// <summary>The buffers of the pieces of all streams: 27 MiB, of which only those used at the same time become resident.</summary>
    private static readonly BufferSlab Buffers = new("bitswap message", UsualLength, 48);

    private readonly PooledBuffer _buffer = Buffers.Rent(capacity);
    private int _users = 1;
    private int _disposed;

    /// <summary>True for the first piece of a message.</summary>
    public bool Begins => begins;

    /// <summary>The decoded fields; the blocks' bytes are slices of this piece. Set by the reader.</summary>
    public BitswapMessage Message { get; set; } = null!;

    /// <summary>The number of bytes so far.</summary>
    public int Length { get; private set; }

    /// <summary>The bytes.</summary>
    public Memory<byte> Memory => Bytes[..Length];

    private Memory<byte> Bytes
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed != 0, this);
            return _buffer.Memory;
        }
    }

    /// <summary>Appends a copy of the data.</summary>
    public void Add(ReadOnlySpan<byte> data) => data.CopyTo(Extend(data.Length).Span);

    /// <summary>Extends the piece, and returns the new part for the caller to fill.</summary>
    public Memory<byte> Extend(int length)
    {
        Length += length;
        return Bytes.Slice(Length - length, length);
    }

    /// <summary>Shares a part of the bytes, which stays valid until it is disposed. Called while the piece is not disposed.</summary>
    public IMemoryOwner<byte> Share(ReadOnlyMemory<byte> part)
    {
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        Interlocked.Increment(ref _users);
        return new Part(this, MemoryMarshal.AsMemory(part));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            Release();
        }
    }

    private void Release()
    {
        int left = Interlocked.Decrement(ref _users);
        Debug.Assert(left >= 0, "each part is released once");
        if (left == 0)
        {
            Buffers.Return(_buffer);
        }
    }

    private sealed class Part(MessagePiece piece, Memory<byte> memory) : IMemoryOwner<byte>
    {
        private int _disposed;

        public Memory<byte> Memory
        {
            get
            {
                ObjectDisposedException.ThrowIf(_disposed != 0, this);
                return memory;
            }
        }

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0)
            {
                piece.Release();
            }
        }
    }
}
