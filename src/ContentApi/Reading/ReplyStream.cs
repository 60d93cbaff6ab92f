using System.Buffers;
using Grpc.Core;
using Ipcs.ContentApi.Wire;
using Ipcs.Dag;
using Ipcs.Dag.Read;

namespace Ipcs.ContentApi.Reading;

/// <summary>
/// Cuts a range into messages. Leaves of the usual size, and what is the end of the range, go out from where they lie; only small ones are
/// gathered.
/// </summary>
internal sealed class ReplyStream(IServerStreamWriter<ReadReply> replies)
{
    /// <summary>The longest message, in bytes: messages of 256 KiB to 1 MiB are the fastest.</summary>
    private const int MaxMessage = 1 << 20;

    /// <summary>A leaf from this length on is a message of its own.</summary>
    private const int MinDirect = 128 * 1024;

    // The end of the stream is sent along with the last message.
    private static readonly WriteOptions Last = new(WriteFlags.BufferHint);

    private byte[]? _buffer;
    private int _buffered;
    private long _at;
    private long _end;

    /// <summary>Sends a range of a content that has it.</summary>
    /// <exception cref="DagFormatException">It hasn't.</exception>
    public async Task SendAsync(DagReader reader, long offset, long length, CancellationToken cancellationToken)
    {
        _at = offset;
        _end = offset + length;
        try
        {
            long sent = await reader.CopyToAsync(TakeAsync, offset, length, cancellationToken);
            if (sent != length)
            {
                throw new DagFormatException($"the DAG {reader.Root} ends at {offset + sent}, before {offset + length}");
            }
        }
        finally
        {
            if (_buffer is not null)
            {
                ArrayPool<byte>.Shared.Return(_buffer);
            }
        }
    }

    private async ValueTask TakeAsync(ReadOnlyMemory<byte> piece, CancellationToken cancellationToken)
    {
        while (!piece.IsEmpty)
        {
            int n;
            bool isRest = _at + _buffered + piece.Length == _end;
            if (_buffered == 0 && (piece.Length >= MinDirect || isRest))
            {
                n = Math.Min(piece.Length, MaxMessage);
                await SendAsync(piece[..n], cancellationToken);
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

    private async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        int n = _buffered;
        _buffered = 0;
        await SendAsync(_buffer.AsMemory(0, n), cancellationToken);
    }

    private async ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (_at + bytes.Length == _end)
        {
            replies.WriteOptions = Last;
        }

        await replies.WriteAsync(new ReadReply(_at, bytes), cancellationToken);
        _at += bytes.Length;
    }
}
