using Ipcs.Blockstore;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Wire;

/// <summary>
/// Reads the messages of one stream in pieces: a long one is cut between its fields, and each piece is a message too, since what repeats in a protobuf
/// message may come in several (https://protobuf.dev/programming-guides/encoding/, section Last One Wins). So the first blocks of a message are
/// checked while the last are still on their way, and nobody holds the whole.
/// </summary>
internal sealed class MessageReader(PeerStream stream)
{
    /// <summary>What a piece holds, in bytes, unless one field is longer: two blocks of the usual length with what goes with them.</summary>
    internal const int PieceLength = 576 << 10;

    /// <summary>The longest field taken of those that hold one block.</summary>
    private const int MaxBlockField = IBlockstore.MaxBlockLength + 1024;

    /// <summary>A protobuf varint has no more bytes.</summary>
    private const int MaxVarint = 10;

    /// <summary>Pieces' bytes, for all streams: 18 MiB, of which those are touched that are in use together.</summary>
    private static readonly BufferSlab Buffers = new("bitswap message", PieceLength, 32);

    private readonly LengthPrefixedReader _messages = new(stream, BitswapMessage.MaxLength);

    // The head of the field that is next, when the last piece had no room for it.
    private readonly byte[] _head = new byte[2 * MaxVarint];
    private int _headLength;
    private int _bodyLength;
    private int _left;

    // What the packed blocks of the message's pieces so far have, unpacked.
    private long _unpacked;

    /// <summary>The next piece; null at the end of the stream. To be disposed.</summary>
    /// <exception cref="InvalidDataException">What comes is no message, is longer than one may be, or the stream ends inside it.</exception>
    /// <exception cref="StreamResetException">The stream was reset or its connection is gone.</exception>
    public async ValueTask<Piece?> ReadAsync(CancellationToken cancellationToken)
    {
        Piece? piece = await ReadBytesAsync(cancellationToken);
        if (piece is null)
        {
            return null;
        }

        if (!BitswapMessage.TryDecode(piece.Memory, out BitswapMessage? message, packed: stream.Protocol == BitswapProtocols.Compressed))
        {
            piece.Dispose();
            throw NoMessage();
        }

        message!.UnpackedBefore = piece.Begins ? 0 : _unpacked;
        _unpacked = message.UnpackedBefore + message.Unpacked();
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

    /// <summary>A field's tag, and its number or its length.</summary>
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
            // Byte by byte: they lie in the stream's buffer, and what follows is the field's.
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

    private static InvalidDataException NoMessage() => new("a Bitswap message is no protobuf of that kind");

    /// <summary>Some fields of a message, which are a message too.</summary>
    /// <param name="capacity">How many bytes there is room for.</param>
    /// <param name="begins">True for the first of its message.</param>
    internal sealed class Piece(int capacity, bool begins) : IDisposable
    {
        private readonly PooledBuffer _buffer = Buffers.Rent(capacity);
        private int _disposed;

        /// <summary>True for the first of its message.</summary>
        public bool Begins => begins;

        /// <summary>What it says; its blocks' bytes are the piece's. Set by the reader.</summary>
        public BitswapMessage Message { get; set; } = null!;

        /// <summary>Bytes so far.</summary>
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

        /// <summary>Adds a copy.</summary>
        public void Add(ReadOnlySpan<byte> data) => data.CopyTo(Extend(data.Length).Span);

        /// <summary>Adds room, to be written to.</summary>
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
