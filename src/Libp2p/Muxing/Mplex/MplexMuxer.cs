using System.Buffers;
using Ipcs.Libp2p.Security.Noise;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Muxing.Mplex;

/// <summary>
/// mplex. Spec: https://github.com/libp2p/specs/blob/master/mplex/README.md.
/// <code>
/// frame = varint(id &lt;&lt; 3 | flag) varint(length) data
/// flag  = 0 NewStream, 1 MessageReceiver, 2 MessageInitiator, 3 CloseReceiver, 4 CloseInitiator, 5 ResetReceiver, 6 ResetInitiator
/// </code>
/// Each side counts its own ids; the flag says which side's. There is no flow control: a stream whose reader is slow may buffer
/// <see cref="MaxBuffered"/> bytes, then the connection waits for it a while, then the stream is reset.
/// </summary>
internal sealed class MplexMuxer(NoiseChannel channel, bool initiator, Action<MuxedStream> onInbound) : Muxer(channel, initiator, onInbound)
{
    /// <summary>The protocol name.</summary>
    public const string ProtocolName = "/mplex/6.7.0";

    /// <summary>The longest frame taken, in bytes; the spec's own bound.</summary>
    private const int MaxFrame = 1 << 20;

    /// <summary>What a stream may buffer before its reader must catch up.</summary>
    private const int MaxBuffered = 8 << 20;

    /// <summary>How long the connection waits for a reader whose buffer is full: longer stalls everybody for one.</summary>
    private static readonly TimeSpan SlowReaderTime = TimeSpan.FromSeconds(5);

    private readonly byte[] _head = new byte[2 * Varint.MaxLength];
    private int _headLength;
    private long _nextId = -1;
    private uint _left;
    private MuxedStream? _target;

    /// <inheritdoc/>
    public override string Name => ProtocolName;

    /// <inheritdoc/>
    public override long InitialWindow => long.MaxValue;

    /// <inheritdoc/>
    public override int MaxData => 256 * 1024;

    /// <inheritdoc/>
    public override ValueTask SendDataAsync(MuxedStream stream, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) =>
        SendAsync(Head(stream.Id, stream.OpenedByUs ? 2u : 1u, data.Length), data, cancellationToken);

    /// <inheritdoc/>
    public override ValueTask SendCloseAsync(MuxedStream stream, CancellationToken cancellationToken) =>
        SendAsync(Head(stream.Id, stream.OpenedByUs ? 4u : 3u, 0), default, cancellationToken);

    /// <inheritdoc/>
    protected override ulong NextId() => (ulong)Interlocked.Increment(ref _nextId);

    /// <inheritdoc/>
    protected override ValueTask SendOpenAsync(MuxedStream stream, CancellationToken cancellationToken)
    {
        byte[] name = System.Text.Encoding.ASCII.GetBytes(stream.Id.ToString());
        return SendAsync(Head(stream.Id, 0, name.Length), name, cancellationToken);
    }

    /// <inheritdoc/>
    protected override byte[] ResetFrame(MuxedStream stream) => Head(stream.Id, stream.OpenedByUs ? 6u : 5u, 0);

    /// <inheritdoc/>
    protected override async ValueTask ConsumeAsync(ReadOnlyMemory<byte> chunk)
    {
        while (chunk.Length > 0)
        {
            if (_left > 0)
            {
                int n = (int)Math.Min(_left, (uint)chunk.Length);
                if (_target is { } stream && stream.Receive(chunk.Span[..n]))
                {
                    stream.Deliver();
                    if (stream.Buffered > MaxBuffered)
                    {
                        await WaitForReaderAsync(stream);
                    }
                }

                _left -= (uint)n;
                chunk = chunk[n..];
                continue;
            }

            if (_headLength == _head.Length)
            {
                throw new MuxerException("an mplex header is too long");
            }

            _head[_headLength++] = chunk.Span[0];
            chunk = chunk[1..];
            if ((_head[_headLength - 1] & 0x80) == 0 && TryReadHead(out ulong header, out ulong length))
            {
                _headLength = 0;
                Begin(header, length);
            }
        }
    }

    private static byte[] Head(ulong id, uint flag, int length)
    {
        Span<byte> head = stackalloc byte[2 * Varint.MaxLength];
        int n = Varint.Write(head, (id << 3) | flag);
        n += Varint.Write(head[n..], (ulong)length);
        return head[..n].ToArray();
    }

    private static async Task WaitForReaderAsync(MuxedStream stream)
    {
        long deadline = Environment.TickCount64 + (long)SlowReaderTime.TotalMilliseconds;
        while (stream.Buffered > MaxBuffered / 2 && !stream.IsOver)
        {
            if (Environment.TickCount64 > deadline)
            {
                stream.Reset();
                return;
            }

            await Task.Delay(1);
        }
    }

    private bool TryReadHead(out ulong header, out ulong length)
    {
        length = 0;
        OperationStatus status = Varint.TryRead(_head.AsSpan(0, _headLength), out header, out int n);
        if (status == OperationStatus.Done)
        {
            status = Varint.TryRead(_head.AsSpan(n, _headLength - n), out length, out _);
        }

        return status switch
        {
            OperationStatus.Done => true,
            OperationStatus.NeedMoreData => false,
            _ => throw new MuxerException("an mplex header is no varint"),
        };
    }

    private void Begin(ulong header, ulong length)
    {
        if (length > MaxFrame)
        {
            throw new MuxerException($"an mplex frame of {length} bytes is longer than {MaxFrame}");
        }

        ulong id = header >> 3;
        uint flag = (uint)(header & 7);
        _left = (uint)length;
        _target = null;
        switch (flag)
        {
            case 0:
                // The name is free text and means nothing: read over.
                if (Accept(id) is null)
                {
                    _ = SendQuietlyAsync(Head(id, 5, 0));
                }

                break;
            case 1 or 2:
                _target = Find(id, openedByUs: flag == 1);
                break;
            case 3 or 4:
                Find(id, openedByUs: flag == 3)?.ReceiveClose();
                break;
            case 5 or 6:
                Find(id, openedByUs: flag == 5)?.Abort("the peer reset the stream");
                break;
            default:
                throw new MuxerException("mplex has no flag 7");
        }
    }
}
