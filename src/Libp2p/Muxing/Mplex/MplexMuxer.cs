using System.Buffers;
using System.Text;
using Ipcs.Libp2p.Security.Noise;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Muxing.Mplex;

/// <summary>
/// mplex. Spec: https://github.com/libp2p/specs/blob/master/mplex/README.md.
/// <code>
/// frame = varint(id &lt;&lt; 3 | flag) varint(length) data
/// flag  = 0 NewStream, 1 MessageReceiver, 2 MessageInitiator, 3 CloseReceiver, 4 CloseInitiator, 5 ResetReceiver, 6 ResetInitiator
/// </code>
/// Each side numbers its own streams; the flag says whose number it is. There is no flow control: a stream may buffer
/// <see cref="MaxBuffered"/> bytes. When it has more, the whole connection waits for the stream's reader to read half of them, so that a
/// reader which only lacks a processor loses nothing: for <see cref="StuckReaderTime"/> when it reads nothing, for
/// <see cref="SlowReaderTime"/> when it reads some. Then the stream is reset.
/// </summary>
internal sealed class MplexMuxer(NoiseChannel channel, bool initiator, MuxerSettings settings) : Muxer(channel, initiator, settings)
{
    /// <summary>The protocol name.</summary>
    public const string ProtocolName = "/mplex/6.7.0";

    /// <summary>The longest data frame accepted, in bytes: the spec's limit.</summary>
    private const int MaxFrame = 1 << 20;

    /// <summary>Bytes that a stream may buffer before the connection waits for its reader.</summary>
    private const int MaxBuffered = 8 << 20;

    /// <summary>How long the connection waits for a reader that reads nothing.</summary>
    private static readonly TimeSpan StuckReaderTime = TimeSpan.FromSeconds(1);

    /// <summary>How long the connection waits for a slow reader: waiting stalls all its streams.</summary>
    private static readonly TimeSpan SlowReaderTime = TimeSpan.FromSeconds(4);

    private static readonly FrameHead<(ulong Id, uint Flag)> WriteHead =
        static (frame, length, output) => EncodeHead(frame.Id, frame.Flag, length, output);

    private readonly byte[] _head = new byte[2 * Varint.MaxLength];
    private int _headLength;
    private int _run;
    private long _nextId = -1;
    private uint _left;
    private MuxedStream? _target;

    /// <inheritdoc/>
    public override string Name => ProtocolName;

    /// <inheritdoc/>
    public override long InitialWindow => long.MaxValue;

    /// <inheritdoc/>
    public override int MaxData => MaxFrame;

    /// <summary>Encodes the head of a frame; returns the length of the head.</summary>
    public static int EncodeHead(ulong id, uint flag, int length, Span<byte> output)
    {
        int n = Varint.Write(output, (id << 3) | flag);
        return n + Varint.Write(output[n..], (ulong)length);
    }

    /// <inheritdoc/>
    public override ValueTask<int> SendDataAsync(
        MuxedStream stream, ReadOnlyMemory<byte> data, bool flush, CancellationToken cancellationToken) =>
        Writer.WriteAsync(WriteHead, (stream.Id, stream.OpenedByUs ? 2u : 1u), data, flush, cancellationToken);

    /// <inheritdoc/>
    public override async ValueTask SendCloseAsync(MuxedStream stream, CancellationToken cancellationToken) =>
        await Writer.WriteAsync(WriteHead, (stream.Id, stream.OpenedByUs ? 4u : 3u), default, flush: true, cancellationToken);

    /// <inheritdoc/>
    public override void SendReset(MuxedStream stream) => SendControl(stream.Id, stream.OpenedByUs ? 6u : 5u);

    /// <inheritdoc/>
    protected override ulong NextId() => (ulong)Interlocked.Increment(ref _nextId);

    /// <inheritdoc/>
    protected override async ValueTask SendOpenAsync(MuxedStream stream, bool flush, CancellationToken cancellationToken)
    {
        byte[] name = Encoding.ASCII.GetBytes(stream.Id.ToString());
        await Writer.WriteAsync(WriteHead, (stream.Id, 0u), name, flush, cancellationToken);
    }

    /// <inheritdoc/>
    protected override async ValueTask ConsumeAsync(ReadOnlyMemory<byte> chunk)
    {
        while (chunk.Length > 0)
        {
            if (_left > 0)
            {
                int n = (int)Math.Min(_left, (uint)chunk.Length);
                if (_target is { } stream && !await DeliverAsync(stream, chunk[..n]))
                {
                    stream.Reset();
                    _target = null;
                }

                _left -= (uint)n;
                chunk = chunk[n..];
                continue;
            }

            byte next = chunk.Span[0];
            _head[_headLength++] = next;
            _run = next < 0x80 ? 0 : _run + 1;
            chunk = chunk[1..];
            if (_run == Varint.MaxLength || (_run == 0 && !TryReadHead()))
            {
                throw new MuxerException("an mplex header is not a varint");
            }
        }
    }

    /// <summary>
    /// Delivers bytes to a stream. False when the stream must be reset: a memory limit is reached, or its reader is too slow.
    /// </summary>
    private ValueTask<bool> DeliverAsync(MuxedStream stream, ReadOnlyMemory<byte> data)
    {
        ReceiveResult result = stream.Receive(data.Span);
        return result == ReceiveResult.Accepted && stream.Buffered > MaxBuffered
            ? new ValueTask<bool>(WaitForReaderAsync(stream))
            : new ValueTask<bool>(result != ReceiveResult.LimitExceeded);
    }

    private async Task<bool> WaitForReaderAsync(MuxedStream stream)
    {
        long start = Time.GetTimestamp();
        for (int before = int.MaxValue, now = stream.Buffered;
            now < before && Time.GetElapsedTime(start) < SlowReaderTime;
            before = now, now = stream.Buffered)
        {
            if (await stream.WaitForReaderAsync(MaxBuffered / 2, StuckReaderTime, Closed))
            {
                return true;
            }
        }

        return stream.IsClosed;
    }

    private void SendControl(ulong id, uint flag)
    {
        Span<byte> frame = stackalloc byte[FrameHead.MaxLength];
        Writer.WriteControl(frame[..EncodeHead(id, flag, 0, frame)]);
    }

    /// <summary>Begins the frame when its head is complete; false when the bytes are not a head.</summary>
    private bool TryReadHead()
    {
        OperationStatus status = Varint.TryRead(_head.AsSpan(0, _headLength), out ulong header, out int n);
        if (status != OperationStatus.Done || n == _headLength)
        {
            return status == OperationStatus.Done;
        }

        status = Varint.TryRead(_head.AsSpan(n, _headLength - n), out ulong length, out _);
        if (status == OperationStatus.Done)
        {
            _headLength = 0;
            Begin(header, length);
        }

        return status != OperationStatus.InvalidData;
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
                // The name is free text without a meaning: it is skipped.
                if (Accept(id) is null)
                {
                    SendControl(id, 5);
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
