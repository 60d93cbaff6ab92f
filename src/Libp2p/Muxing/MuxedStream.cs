using System.Buffers;
using System.IO.Pipelines;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Muxing;

/// <summary>
/// One stream of a muxed connection. Owns its receive buffer; the connection's reader fills it, one caller empties it.
/// What differs between muxers (frames, flow control) is the muxer's.
/// </summary>
internal sealed class MuxedStream : PeerStream, IByteChannel
{
    private readonly Muxer _muxer;
    private readonly Pipe _received = new(new PipeOptions(
        readerScheduler: PipeScheduler.ThreadPool, pauseWriterThreshold: 0, minimumSegmentSize: 32 * 1024, useSynchronizationContext: false));

    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _reset = new();
    private long _buffered;
    private bool _localClosed;
    private bool _remoteClosed;
    private bool _discarding;
    private string? _resetReason;

    public MuxedStream(Muxer muxer, ulong id, bool openedByUs)
    {
        _muxer = muxer;
        Id = id;
        OpenedByUs = openedByUs;
        SendWindow = new SendWindow(muxer.InitialWindow);
    }

    /// <summary>The id on the wire.</summary>
    public ulong Id { get; }

    /// <summary>Which side opened it: mplex counts the two sides' ids apart.</summary>
    public bool OpenedByUs { get; }

    /// <summary>How much the peer lets us send; without bound in a muxer that has no windows.</summary>
    public SendWindow SendWindow { get; }

    /// <summary>Bytes received and not read yet.</summary>
    public long Buffered => Interlocked.Read(ref _buffered);

    /// <summary>Bytes read since the peer was last told; the muxer's to use, under the reader's turn.</summary>
    public long Unreported { get; set; }

    /// <summary>The window that the peer has of us now, in bytes; the muxer's to use.</summary>
    public long ReceiveWindow { get; set; }

    /// <summary>Ends when the stream is reset.</summary>
    public CancellationToken ResetToken => _reset.Token;

    /// <inheritdoc/>
    public override PeerId RemotePeer => _muxer.RemotePeer;

    /// <inheritdoc/>
    public override string Protocol => AgreedProtocol;

    /// <summary>Set once by the negotiation.</summary>
    public string AgreedProtocol { get; set; } = "";

    /// <summary>True once both sides are closed or the stream is reset.</summary>
    public bool IsOver
    {
        get
        {
            lock (_lock)
            {
                return _resetReason is not null || (_localClosed && _remoteClosed);
            }
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (!_received.Reader.TryRead(out ReadResult result))
        {
            result = await _received.Reader.ReadAsync(cancellationToken);
        }

        if (_resetReason is { } reason)
        {
            _received.Reader.AdvanceTo(result.Buffer.Start);
            throw new StreamResetException(reason);
        }

        int n = (int)Math.Min(buffer.Length, result.Buffer.Length);
        result.Buffer.Slice(0, n).CopyTo(buffer.Span);
        _received.Reader.AdvanceTo(result.Buffer.GetPosition(n));
        if (n > 0)
        {
            Interlocked.Add(ref _buffered, -n);
            await _muxer.OnReadAsync(this, n, cancellationToken);
        }

        return n;
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        if (_localClosed)
        {
            throw new StreamResetException("the stream is closed for writing");
        }

        while (data.Length > 0)
        {
            ThrowIfReset();
            int n = await SendWindow.TakeAsync(Math.Min(data.Length, _muxer.MaxData), cancellationToken);
            if (n == 0)
            {
                ThrowIfReset();
                throw new StreamResetException("the stream is closed");
            }

            await _muxer.SendDataAsync(this, data[..n], cancellationToken);
            data = data[n..];
        }
    }

    /// <inheritdoc/>
    public override async ValueTask CloseWriteAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_localClosed || _resetReason is not null)
            {
                return;
            }

            _localClosed = true;
        }

        await _muxer.SendCloseAsync(this, cancellationToken);
        _muxer.RemoveIfOver(this);
    }

    /// <inheritdoc/>
    public override void Reset()
    {
        if (IsOver)
        {
            return;
        }

        Abort("the stream was reset here");
        _muxer.SendReset(this);
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            _discarding = true;
        }

        try
        {
            using var limit = new CancellationTokenSource(_muxer.CloseTime);
            await CloseWriteAsync(limit.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            Abort(e.Message);
        }

        if (!IsOver)
        {
            _ = _muxer.LingerAsync(this);
        }
    }

    /// <summary>Takes received bytes. Called by the connection's reader alone. False when the stream is over and they are dropped.</summary>
    public bool Receive(ReadOnlySpan<byte> data)
    {
        lock (_lock)
        {
            if (_remoteClosed || _discarding || _resetReason is not null)
            {
                return false;
            }

            Interlocked.Add(ref _buffered, data.Length);
            _received.Writer.Write(data);
        }

        return true;
    }

    /// <summary>Lets the reader see what has been received.</summary>
    public void Deliver()
    {
        // The pipe never pauses its writer, so the flush is done at once.
        ValueTask<FlushResult> flush = _received.Writer.FlushAsync();
        if (flush.IsCompleted)
        {
            _ = flush.Result;
        }
    }

    /// <summary>The peer has closed its side.</summary>
    public void ReceiveClose()
    {
        lock (_lock)
        {
            if (_remoteClosed || _resetReason is not null)
            {
                return;
            }

            _remoteClosed = true;
            _received.Writer.Complete();
        }

        _muxer.RemoveIfOver(this);
    }

    /// <summary>Ends both ways here, with no word to the peer.</summary>
    public void Abort(string reason)
    {
        lock (_lock)
        {
            if (_resetReason is not null)
            {
                return;
            }

            _resetReason = reason;
            if (!_remoteClosed)
            {
                _received.Writer.Complete();
            }

            _localClosed = true;
        }

        SendWindow.Close();
        _reset.Cancel();
        _muxer.RemoveIfOver(this);
    }

    private void ThrowIfReset()
    {
        if (_resetReason is { } reason)
        {
            throw new StreamResetException(reason);
        }
    }
}
