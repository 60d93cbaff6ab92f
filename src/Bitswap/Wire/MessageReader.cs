using Ipcs.Blockstore;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Wire;

/// <summary>
/// Reads the messages of one stream in pieces. A long message is cut between its fields, and each piece is decoded as a message: the
/// concatenation of protobuf messages is their merge (https://protobuf.dev/programming-guides/encoding/, section Last One Wins). The first
/// blocks of a message are verified while the last ones are still being received, and no buffer has the length of the whole message.
/// </summary>
internal sealed class MessageReader(PeerStream stream)
{
    /// <summary>
    /// The maximum length of a piece in bytes, unless one field is longer: two blocks of the usual length and their heads.
    /// </summary>
    internal const int PieceLength = 576 << 10;

    /// <summary>The maximum length in bytes of a field that has one block.</summary>
    private const int MaxBlockField = IBlockstore.MaxBlockLength + 1024;

    /// <summary>The maximum length of a protobuf varint in bytes.</summary>
    private const int MaxVarint = 10;

    /// <summary>The buffers of the pieces of all streams: 18 MiB, of which only those used at the same time become resident.</summary>
    private static readonly BufferSlab Buffers = new("bitswap message", PieceLength, 32);

    private readonly LengthPrefixedReader _messages = new(stream, BitswapMessage.MaxLength);

    // The head of the next field, when the last piece had no room for that field.
    private readonly byte[] _head = new byte[2 * MaxVarint];
    private int _headLength;
    private int _bodyLength;
    private int _left;

    // The decompressed length of the compressed blocks in the message's pieces so far.
    private long _decompressed;

    /// <summary>Reads the next piece, which the caller disposes; null at the end of the stream.</summary>
    /// <exception cref="InvalidDataException">The message is malformed or too long, or the stream ends inside it.</exception>
    /// <exception cref="StreamResetException">The stream was reset or its connection was closed.</exception>
    public async ValueTask<Piece?> ReadAsync(CancellationToken cancellationToken)
    {
        Piece? piece = await ReadBytesAsync(cancellationToken);
        if (piece is null)
        {
            return null;
        }

        bool compressed = stream.Protocol == BitswapProtocols.Compressed;
        if (!BitswapMessage.TryDecode(piece.Memory, out BitswapMessage? message, compressed))
        {
            piece.Dispose();
            throw NoMessage();
        }

        message!.DecompressedBefore = piece.Begins ? 0 : _decompressed;
        _decompressed = message.DecompressedBefore + message.DecompressedLength();
        piece.Message = message;
        return piece;
    }

    private async ValueTask<Piece?> ReadBytesAsync(CancellationToken cancellationToken)
    {
        bool begins = _left == 0;
        while (_left == 0)
        {
            if (await _messages.ReadLengthAsync(cancellationToken) is not { } length)
            {
                return null;
            }

            _left = length;
        }

        Piece? piece = null;
        try
        {
            while (_left > 0)
            {
                if (piece is null && _headLength == 0 && _left <= PieceLength)
                {
                    piece = new Piece(_left, begins);
                    await FillAsync(piece, _left, cancellationToken);
                    break;
                }

                if (_headLength == 0)
                {
                    await ReadHeadAsync(cancellationToken);
                }

                int field = _headLength + _bodyLength;
                if (piece is not null && piece.Length + field > PieceLength)
                {
                    break;
                }

                piece ??= new Piece(Math.Max(field, PieceLength), begins);
                piece.Add(_head.AsSpan(0, _headLength));
                _left -= _headLength;
                _headLength = 0;
                await FillAsync(piece, _bodyLength, cancellationToken);
            }

            return piece;
        }
        catch
        {
            piece?.Dispose();
            throw;
        }
    }

    private async ValueTask FillAsync(Piece piece, int length, CancellationToken cancellationToken)
    {
        await _messages.ReadBytesAsync(piece.Extend(length), cancellationToken);
        _left -= length;
    }

    /// <summary>Reads a field's tag, and its value or its length.</summary>
    private async ValueTask ReadHeadAsync(CancellationToken cancellationToken)
    {
        ulong tag = await ReadVarintAsync(cancellationToken);
        ulong value = await ReadVarintAsync(cancellationToken);
        uint wire = (uint)tag & 7;
        ulong body = wire switch { ProtoField.Varint => 0, ProtoField.Counted => value, _ => throw NoMessage() };
        bool isBlock = tag >> 3 is 2 or 3 or 6;
        if (body > (ulong)(_left - _headLength) || (isBlock && body > MaxBlockField))
        {
            throw NoMessage();
        }

        _bodyLength = (int)body;
    }

    private async ValueTask<ulong> ReadVarintAsync(CancellationToken cancellationToken)
    {
        ulong value = 0;
        for (int i = 0; i < MaxVarint && _headLength < _left; i++)
        {
            // Byte by byte, from the stream's buffer: the bytes after the varint belong to the field.
            await _messages.ReadBytesAsync(_head.AsMemory(_headLength, 1), cancellationToken);
            byte b = _head[_headLength++];
            value |= (ulong)(b & 0x7f) << (7 * i);
            if (b < 0x80)
            {
                return value;
            }
        }

        throw NoMessage();
    }

    private static InvalidDataException NoMessage() => new("a Bitswap message is malformed");

    /// <summary>Consecutive fields of a message, decoded as a message of their own.</summary>
    /// <param name="capacity">The maximum length in bytes.</param>
    /// <param name="begins">True for the first piece of a message.</param>
    internal sealed class Piece(int capacity, bool begins) : IDisposable
    {
        private readonly PooledBuffer _buffer = Buffers.Rent(capacity);
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

        /// <inheritdoc/>
        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0)
            {
                Buffers.Return(_buffer);
            }
        }
    }
}
