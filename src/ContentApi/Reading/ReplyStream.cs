using System.Buffers;
using System.Diagnostics;
using Grpc.Core;
using Ipcs.ContentApi.Wire;
using Ipcs.Dag;
using Ipcs.Dag.Read;

namespace Ipcs.ContentApi.Reading;

/// <summary>
/// Cuts a range of a content into messages. Leaves of the usual size, and the end of the range, are sent without a copy; only small pieces
/// are gathered in a buffer. Reused for one Read after another.
/// </summary>
internal sealed class ReplyStream
{
    /// <summary>The longest message, in bytes: messages of 256 KiB to 1 MiB were the fastest.</summary>
    private const int MaxMessage = 1 << 20;

    /// <summary>A leaf from this length on is a message of its own.</summary>
    private const int MinDirect = 128 * 1024;

    // The last message and the end of the stream leave in one write.
    private static readonly WriteOptions Last = new(WriteFlags.BufferHint);

    private readonly DagReader _reader;
    private readonly Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> _write;

    // gRPC has encoded a message when its write returns, so one object serves all messages.
    private readonly ReadReply _reply = new();
    private IServerStreamWriter<ReadReply>? _replies;
    private byte[]? _buffer;
    private int _buffered;
    private long _at;
    private long _end;

    public ReplyStream(DagReader reader)
    {
        _reader = reader;
        _write = WriteAsync;
    }

    /// <summary>Sends a range.</summary>
    /// <exception cref="DagFormatException">The DAG ends before the range does.</exception>
    public async Task SendAsync(IServerStreamWriter<ReadReply> replies, long offset, long length, CancellationToken cancellationToken)
    {
        Debug.Assert(_replies is null && _buffered == 0, "a reply stream serves one Read at a time");
        _replies = replies;
        _at = offset;
        _end = offset + length;
        try
        {
            long sent = await _reader.CopyToAsync(_write, offset, length, cancellationToken);
            if (sent != length)
            {
                throw new DagFormatException($"the DAG {_reader.Root} ends at {offset + sent}, before {offset + length}");
            }

            Debug.Assert(_at == _end && _buffered == 0, "every byte of the range was sent");
        }
        finally
        {
            _replies = null;
            _reply.Set(0, default);
            if (_buffer is not null)
            {
                ArrayPool<byte>.Shared.Return(_buffer);
                _buffer = null;
            }
        }
    }

    private async ValueTask WriteAsync(ReadOnlyMemory<byte> piece, CancellationToken cancellationToken)
    {
        while (!piece.IsEmpty)
        {
            int n;
            bool isRest = _at + _buffered + piece.Length == _end;
            if (_buffered == 0 && (piece.Length >= MinDirect || isRest))
            {
                n = Math.Min(piece.Length, MaxMessage);
                await SendMessageAsync(piece[..n], cancellationToken);
            }
            else
            {
                _buffer ??= ArrayPool<byte>.Shared.Rent((int)Math.Min(_end - _at, MaxMessage));
                n = Math.Min(piece.Length, MaxMessage - _buffered);
                piece[..n].CopyTo(_buffer.AsMemory(_buffered));
                _buffered += n;
                if (_buffered == MaxMessage || _at + _buffered == _end)
                {
                    await FlushAsync(cancellationToken);
                }
            }

            piece = piece[n..];
        }
    }

    private Task FlushAsync(CancellationToken cancellationToken)
    {
        int n = _buffered;
        _buffered = 0;
        return SendMessageAsync(_buffer.AsMemory(0, n), cancellationToken);
    }

    private Task SendMessageAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        Debug.Assert(_at + bytes.Length <= _end, "no byte past the range is sent");
        if (_at + bytes.Length == _end)
        {
            _replies!.WriteOptions = Last;
        }

        _reply.Set(_at, bytes);
        _at += bytes.Length;
        return _replies!.WriteAsync(_reply, cancellationToken);
    }
}
