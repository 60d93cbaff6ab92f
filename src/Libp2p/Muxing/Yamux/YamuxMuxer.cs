using System.Buffers.Binary;
using Ipcs.Libp2p.Security.Noise;

namespace Ipcs.Libp2p.Muxing.Yamux;

/// <summary>
/// yamux. Spec: https://github.com/hashicorp/yamux/blob/master/spec.md; https://github.com/libp2p/specs/blob/master/yamux/README.md.
/// <code>
/// header = version 0 (1) | type (1) | flags (2) | stream id (4) | length (4)      big endian, then `length` bytes for type 0
/// type   = 0 data, 1 window update, 2 ping, 3 go away       flags = 1 SYN, 2 ACK, 4 FIN, 8 RST
/// </code>
/// The side that dialled has odd ids. A stream starts with 256 KiB each way; the receiver grants more as its application reads.
/// </summary>
internal sealed class YamuxMuxer(NoiseChannel channel, bool initiator, Action<MuxedStream> onInbound) : Muxer(channel, initiator, onInbound)
{
    /// <summary>The protocol name.</summary>
    public const string ProtocolName = "/yamux/1.0.0";

    private const int HeaderLength = 12;
    private const int StartWindow = 256 * 1024;

    /// <summary>The window that a stream grows to when its reader keeps up: 1 Gbit/s at 60 ms.</summary>
    private const int MaxWindow = 8 << 20;

    private const ushort Syn = 1;
    private const ushort Ack = 2;
    private const ushort Fin = 4;
    private const ushort Rst = 8;

    private readonly byte[] _header = new byte[HeaderLength];
    private int _headerLength;
    private long _nextId = (initiator ? 1 : 2) - 2;
    private uint _left;
    private ushort _finish;
    private MuxedStream? _target;

    /// <inheritdoc/>
    public override string Name => ProtocolName;

    /// <inheritdoc/>
    public override long InitialWindow => StartWindow;

    /// <inheritdoc/>
    public override int MaxData => 64 * 1024;

    /// <inheritdoc/>
    public override ValueTask SendDataAsync(MuxedStream stream, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) =>
        SendAsync(Header(0, 0, stream.Id, (uint)data.Length), data, cancellationToken);

    /// <inheritdoc/>
    public override ValueTask SendCloseAsync(MuxedStream stream, CancellationToken cancellationToken) =>
        SendAsync(Header(0, Fin, stream.Id, 0), default, cancellationToken);

    /// <inheritdoc/>
    public override async ValueTask OnReadAsync(MuxedStream stream, int bytes, CancellationToken cancellationToken)
    {
        stream.Unreported += bytes;
        if (stream.Unreported < Math.Max(StartWindow, stream.ReceiveWindow) / 2 || stream.IsOver)
        {
            return;
        }

        // A reader that has emptied half of its window keeps up: let more be under way next time.
        long target = Math.Min(MaxWindow, Math.Max(StartWindow, stream.ReceiveWindow) * 2);
        long grant = stream.Unreported + (target - Math.Max(StartWindow, stream.ReceiveWindow));
        stream.ReceiveWindow = target;
        stream.Unreported = 0;
        try
        {
            await SendAsync(Header(1, 0, stream.Id, (uint)grant), default, cancellationToken);
        }
        catch (IOException)
        {
            // The bytes are read all the same; the next read says that the connection is gone.
        }
    }

    /// <inheritdoc/>
    protected override ulong NextId()
    {
        long id = Interlocked.Add(ref _nextId, 2);
        return id <= uint.MaxValue ? (ulong)id : throw new ConnectException("the connection's stream ids are used up");
    }

    /// <inheritdoc/>
    protected override ValueTask SendOpenAsync(MuxedStream stream, CancellationToken cancellationToken) =>
        SendAsync(Header(1, Syn, stream.Id, 0), default, cancellationToken);

    /// <inheritdoc/>
    protected override byte[] ResetFrame(MuxedStream stream) => Header(1, Rst, stream.Id, 0);

    /// <inheritdoc/>
    protected override ValueTask ConsumeAsync(ReadOnlyMemory<byte> chunk)
    {
        while (chunk.Length > 0)
        {
            if (_left > 0)
            {
                int n = (int)Math.Min(_left, (uint)chunk.Length);
                _left -= (uint)n;
                if (_target is { } stream && stream.Receive(chunk.Span[..n]))
                {
                    if (stream.Buffered > Math.Max(StartWindow, stream.ReceiveWindow) + MaxWindow)
                    {
                        throw new MuxerException($"stream {stream.Id} overruns its window");
                    }

                    stream.Deliver();
                }

                chunk = chunk[n..];
                if (_left == 0)
                {
                    EndData();
                }

                continue;
            }

            int take = Math.Min(HeaderLength - _headerLength, chunk.Length);
            chunk.Span[..take].CopyTo(_header.AsSpan(_headerLength));
            _headerLength += take;
            chunk = chunk[take..];
            if (_headerLength == HeaderLength)
            {
                _headerLength = 0;
                Begin();
            }
        }

        return default;
    }

    private static byte[] Header(byte type, ushort flags, ulong id, uint length)
    {
        byte[] header = new byte[HeaderLength];
        header[1] = type;
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(2), flags);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(4), (uint)id);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(8), length);
        return header;
    }

    private void Begin()
    {
        ushort flags = BinaryPrimitives.ReadUInt16BigEndian(_header.AsSpan(2));
        uint id = BinaryPrimitives.ReadUInt32BigEndian(_header.AsSpan(4));
        uint length = BinaryPrimitives.ReadUInt32BigEndian(_header.AsSpan(8));
        if (_header[0] != 0)
        {
            throw new MuxerException($"yamux version {_header[0]} is not known");
        }

        switch (_header[1])
        {
            case 0:
                if (length > MaxWindow)
                {
                    throw new MuxerException($"a yamux frame of {length} bytes is longer than any window");
                }

                _target = Target(id, flags);
                _left = length;
                _finish = flags;
                if (length == 0)
                {
                    EndData();
                }

                break;
            case 1:
                MuxedStream? stream = Target(id, flags);
                if (stream is not null && !stream.SendWindow.Grant(length))
                {
                    throw new MuxerException($"stream {id} is granted more than a window can hold");
                }

                _target = stream;
                _finish = flags;
                EndData();
                break;
            case 2:
                if ((flags & Syn) != 0)
                {
                    _ = SendQuietlyAsync(Header(2, Ack, 0, length));
                }

                break;
            case 3:
                throw new EndOfStreamException("the peer says go away");
            default:
                throw new MuxerException($"yamux has no frame type {_header[1]}");
        }
    }

    /// <summary>The stream of a frame; opened when the frame says so, null for one that is over.</summary>
    private MuxedStream? Target(uint id, ushort flags)
    {
        bool ours = (id & 1) == (IsInitiator ? 1u : 0u);
        if ((flags & Syn) == 0)
        {
            return Find(id, ours);
        }

        if (ours || id == 0)
        {
            throw new MuxerException($"the peer opens stream {id}, which is not one of its ids");
        }

        MuxedStream? stream = Accept(id);
        _ = SendQuietlyAsync(stream is null ? Header(1, Rst, id, 0) : Header(1, Ack, id, 0));
        return stream;
    }

    private void EndData()
    {
        if ((_finish & Rst) != 0)
        {
            _target?.Abort("the peer reset the stream");
        }
        else if ((_finish & Fin) != 0)
        {
            _target?.ReceiveClose();
        }

        _finish = 0;
    }
}
