using Ipcs.Blockstore;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Wire;

/// <summary>
/// Reads the messages of one stream in pieces. A long message is cut between its fields, and each piece is decoded as a message: the
/// concatenation of protobuf messages is their merge (https://protobuf.dev/programming-guides/encoding/, section Last One Wins). The first
/// blocks of a message are verified while the last ones are still being received, and no buffer has the length of the whole message.
/// </summary>
/// <param name="stream">The stream.</param>
/// <param name="received">Counts the bytes of fields as they are received; null when nobody counts them.</param>
internal sealed class MessageReader(PeerStream stream, ReceivedBytes? received = null)
{
    /// <summary>The maximum length in bytes of a field that has one block.</summary>
    private const int MaxBlockField = IBlockstore.MaxBlockLength + 1024;

    /// <summary>The bytes after which received bytes are counted: half a second at the fair rate.</summary>
    private const int Part = 32 * 1024;

    /// <summary>The maximum length of a protobuf varint in bytes.</summary>
    private const int MaxVarint = 10;

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
    public async ValueTask<MessagePiece?> ReadAsync(CancellationToken cancellationToken)
    {
        MessagePiece? piece = await ReadBytesAsync(cancellationToken);
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

    private async ValueTask<MessagePiece?> ReadBytesAsync(CancellationToken cancellationToken)
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

        MessagePiece? piece = null;
        try
        {
            while (_left > 0)
            {
                if (piece is null && _headLength == 0 && _left <= MessagePiece.UsualLength)
                {
                    piece = new MessagePiece(_left, begins);
                    await FillAsync(piece, _left, cancellationToken);
                    break;
                }

                if (_headLength == 0)
                {
                    await ReadHeadAsync(cancellationToken);
                }

                int field = _headLength + _bodyLength;
                if (piece is not null && piece.Length + field > MessagePiece.UsualLength)
                {
                    break;
                }

                piece ??= new MessagePiece(Math.Max(field, MessagePiece.UsualLength), begins);
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

    private async ValueTask FillAsync(MessagePiece piece, int length, CancellationToken cancellationToken)
    {
        Memory<byte> rest = piece.Extend(length);
        while (rest.Length > 0)
        {
            Memory<byte> part = rest[..Math.Min(rest.Length, Part)];
            await _messages.ReadBytesAsync(part, cancellationToken);
            received?.Add(part.Length);
            rest = rest[part.Length..];
        }

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
}
