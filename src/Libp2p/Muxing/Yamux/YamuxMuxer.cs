using System.Diagnostics;
using Ipcs.Libp2p.Security.Noise;

namespace Ipcs.Libp2p.Muxing.Yamux;

/// <summary>
/// yamux. Spec: https://github.com/hashicorp/yamux/blob/master/spec.md; https://github.com/libp2p/specs/blob/master/yamux/README.md.
/// The dialler's streams have odd ids. A stream starts with a window of 256 KiB in each direction; the receiver grants more as its
/// application reads, so a slow reader stops only its own sender. A peer that sends more than its window loses the connection.
/// </summary>
internal sealed class YamuxMuxer(NoiseChannel channel, bool initiator, MuxerSettings settings) : Muxer(channel, initiator, settings)
{
    /// <summary>The protocol name.</summary>
    public const string ProtocolName = "/yamux/1.0.0";

    /// <summary>
    /// Streams opened here that the peer has not acknowledged yet. Further ones wait, because peers close a connection with a longer
    /// backlog.
    /// </summary>
    private const int MaxUnacknowledged = 256;

    private static readonly FrameHead<(ulong Id, YamuxType Type, YamuxFlags Flags)> WriteHead =
        static (frame, length, output) => new YamuxHeader(frame.Type, frame.Flags, (uint)frame.Id, (uint)length).Encode(output);

    private readonly SemaphoreSlim _backlog = new(MaxUnacknowledged);
    private readonly byte[] _header = new byte[YamuxHeader.Size];
    private int _headerLength;
    private long _nextId = (initiator ? 1 : 2) - 2;
    private uint _left;
    private YamuxFlags _finish;
    private MuxedStream? _target;
    private bool _refused;

    /// <inheritdoc/>
    public override string Name => ProtocolName;

    /// <inheritdoc/>
    public override long InitialWindow => ReceiveWindow.Start;

    /// <inheritdoc/>
    public override int MaxData => 128 * 1024;

    /// <inheritdoc/>
    public override ValueTask<int> SendDataAsync(
        MuxedStream stream, ReadOnlyMemory<byte> data, bool flush, CancellationToken cancellationToken) =>
        Writer.WriteAsync(WriteHead, (stream.Id, YamuxType.Data, YamuxFlags.None), data, flush, cancellationToken);

    /// <inheritdoc/>
    public override async ValueTask SendCloseAsync(MuxedStream stream, CancellationToken cancellationToken) =>
        await Writer.WriteAsync(WriteHead, (stream.Id, YamuxType.Data, YamuxFlags.Fin), default, flush: true, cancellationToken);

    /// <inheritdoc/>
    public override void SendReset(MuxedStream stream) => SendControl(YamuxType.WindowUpdate, YamuxFlags.Rst, (uint)stream.Id, 0);

    /// <inheritdoc/>
    public override void OnRead(MuxedStream stream, int bytes)
    {
        int grant = stream.ReceiveWindow.Read(bytes);
        if (grant > 0 && !stream.IsClosed)
        {
            SendControl(YamuxType.WindowUpdate, YamuxFlags.None, (uint)stream.Id, (uint)grant);
        }
    }

    /// <inheritdoc/>
    protected override ulong NextId()
    {
        long id = Interlocked.Add(ref _nextId, 2);
        return id <= uint.MaxValue ? (ulong)id : throw new ConnectException("all stream ids of the connection are used");
    }

    /// <inheritdoc/>
    protected override async ValueTask BeforeOpenAsync(CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _refused))
        {
            throw new ConnectException($"{RemotePeer} accepts no more streams on this connection");
        }

        await _backlog.WaitAsync(cancellationToken);
    }

    /// <inheritdoc/>
    protected override async ValueTask SendOpenAsync(MuxedStream stream, bool flush, CancellationToken cancellationToken) =>
        await Writer.WriteAsync(WriteHead, (stream.Id, YamuxType.WindowUpdate, YamuxFlags.Syn), default, flush, cancellationToken);

    /// <inheritdoc/>
    protected override void OnRemoved(MuxedStream stream) => Acknowledge(stream);

    /// <inheritdoc/>
    protected override void OnGoingAway() => SendControl(YamuxType.GoAway, YamuxFlags.None, 0, 0);

    /// <inheritdoc/>
    protected override void OnViolation() => SendControl(YamuxType.GoAway, YamuxFlags.None, 0, 1);

    /// <inheritdoc/>
    protected override ValueTask ConsumeAsync(ReadOnlyMemory<byte> chunk)
    {
        while (chunk.Length > 0)
        {
            if (_left > 0)
            {
                int n = (int)Math.Min(_left, (uint)chunk.Length);
                if (_target?.Receive(chunk.Span[..n]) == ReceiveResult.LimitExceeded)
                {
                    _target.Reset();
                    _target = null;
                }

                _left -= (uint)n;
                chunk = chunk[n..];
                if (_left == 0)
                {
                    EndFrame();
                }

                continue;
            }

            int take = Math.Min(YamuxHeader.Size - _headerLength, chunk.Length);
            chunk.Span[..take].CopyTo(_header.AsSpan(_headerLength));
            _headerLength += take;
            chunk = chunk[take..];
            if (_headerLength == YamuxHeader.Size)
            {
                _headerLength = 0;
                Begin();
            }
        }

        return default;
    }

    private void Begin()
    {
        if (!YamuxHeader.TryDecode(_header, out YamuxHeader header))
        {
            throw new MuxerException($"unknown yamux version {_header[0]} or type {_header[1]}");
        }

        switch (header.Type)
        {
            case YamuxType.Data:
                BeginData(header);
                break;
            case YamuxType.WindowUpdate:
                _target = Target(header);
                _finish = header.Flags;
                if (_target is { } stream && !stream.SendWindow.Grant(header.Length))
                {
                    throw new MuxerException($"stream {header.StreamId} is granted more than a window can hold");
                }

                EndFrame();
                break;
            case YamuxType.Ping:
                if (header.Flags.HasFlag(YamuxFlags.Syn))
                {
                    SendControl(YamuxType.Ping, YamuxFlags.Ack, 0, header.Length);
                }

                break;
            default:
                // Without an error the open streams go on. With one the peer has closed the connection.
                Volatile.Write(ref _refused, true);
                if (header.Length != 0)
                {
                    throw new EndOfStreamException($"the peer ends the connection with error {header.Length}");
                }

                break;
        }
    }

    private void BeginData(in YamuxHeader header)
    {
        if (header.Length > ReceiveWindow.Max)
        {
            throw new MuxerException($"a yamux frame of {header.Length} bytes is longer than any window");
        }

        _target = Target(header);
        _left = header.Length;
        _finish = header.Flags;
        if (_target is { } stream && !stream.ReceiveWindow.TrySpend((int)header.Length))
        {
            throw new MuxerException($"stream {header.StreamId} overruns its window");
        }

        if (_left == 0)
        {
            EndFrame();
        }
    }

    /// <summary>The stream of a frame, opened if the frame says so; null when it is closed.</summary>
    private MuxedStream? Target(in YamuxHeader header)
    {
        uint id = header.StreamId;
        bool ours = (id & 1) == (IsInitiator ? 1u : 0u);
        if (!header.Flags.HasFlag(YamuxFlags.Syn))
        {
            MuxedStream? stream = Find(id, ours);
            if (stream is not null && ours)
            {
                // Any frame of the peer on our stream acknowledges it.
                Acknowledge(stream);
            }

            return stream;
        }

        if (ours || id == 0)
        {
            throw new MuxerException($"the peer opens stream {id}, which is not one of its ids");
        }

        MuxedStream? accepted = Accept(id);
        SendControl(YamuxType.WindowUpdate, accepted is null ? YamuxFlags.Rst : YamuxFlags.Ack, id, 0);
        return accepted;
    }

    private void EndFrame()
    {
        if (_finish.HasFlag(YamuxFlags.Rst))
        {
            _target?.Abort("the peer reset the stream");
        }
        else if (_finish.HasFlag(YamuxFlags.Fin))
        {
            _target?.ReceiveClose();
        }

        _finish = YamuxFlags.None;
    }

    private void Acknowledge(MuxedStream stream)
    {
        if (stream.OpenedByUs && stream.TryAcknowledge())
        {
            int free = _backlog.Release();
            Debug.Assert(free < MaxUnacknowledged, "a stream leaves the backlog once");
        }
    }

    private void SendControl(YamuxType type, YamuxFlags flags, uint id, uint length)
    {
        Span<byte> frame = stackalloc byte[YamuxHeader.Size];
        new YamuxHeader(type, flags, id, length).Encode(frame);
        Writer.WriteControl(frame);
    }
}
