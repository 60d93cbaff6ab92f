using System.Threading.Tasks.Sources;
using Ipcs.Libp2p.Negotiation;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Muxing;

/// <summary>
/// One stream of a muxed connection. The connection's reader brings bytes, one caller takes them: straight into its buffer when it waits,
/// else through a queue. What differs between muxers (frames, flow control) is the muxer's. Owns the queue.
/// </summary>
internal sealed class MuxedStream : PeerStream, IByteChannel, IValueTaskSource<int>
{
    /// <summary>Bytes that a peer may send on a stream which the application has given up, before the stream is reset.</summary>
    private const int MaxDiscarded = 1 << 20;

    private readonly Muxer _muxer;
    private readonly ReceiveQueue _received;
    private readonly Lock _lock = new();
    private CancellationTokenSource? _reset;
    private ManualResetValueTaskSourceCore<int> _read = new() { RunContinuationsAsynchronously = true };
    private Memory<byte> _waiting;
    private bool _isWaiting;
    private CancellationTokenRegistration _cancel;
    private TaskCompletionSource? _drained;
    private int _drainMark;
    private bool _localClosed;
    private bool _remoteClosed;
    private bool _discarding;
    private int _discarded;
    private string? _resetReason;
    private string? _lost;
    private int _holds;
    private int _acknowledged;

    public MuxedStream(Muxer muxer, ulong id, bool openedByUs, Budget budget)
    {
        _muxer = muxer;
        _received = new ReceiveQueue(budget);
        Id = id;
        OpenedByUs = openedByUs;
        _holds = openedByUs ? 1 : 2;
        SendWindow = new SendWindow(muxer.InitialWindow);
    }

    /// <summary>The id on the wire.</summary>
    public ulong Id { get; }

    /// <summary>Which side opened it: mplex counts the two sides' ids apart.</summary>
    public bool OpenedByUs { get; }

    /// <summary>How much the peer lets us send; without bound in a muxer that has no windows.</summary>
    public SendWindow SendWindow { get; }

    /// <summary>Bytes received and not read yet.</summary>
    public int Buffered
    {
        get
        {
            lock (_lock)
            {
                return _received.Length;
            }
        }
    }

    /// <inheritdoc/>
    public bool HasBuffered => Buffered > 0;

    /// <summary>What yamux keeps of the window that the peer has of us.</summary>
    public ReceiveWindow ReceiveWindow { get; } = new();

    /// <summary>When a stream that the application is done with is reset, in <see cref="Environment.TickCount64"/>; 0 for one that it still uses.</summary>
    public long LingersUntil { get; private set; }

    /// <summary>Ends when the stream is reset.</summary>
    public CancellationToken ResetToken
    {
        get
        {
            lock (_lock)
            {
                if (_reset is null)
                {
                    _reset = new CancellationTokenSource();
                    if (_resetReason is not null)
                    {
                        _reset.Cancel();
                    }
                }

                return _reset.Token;
            }
        }
    }

    /// <inheritdoc/>
    public override PeerId RemotePeer => _muxer.RemotePeer;

    /// <inheritdoc/>
    public override string Protocol => AgreedProtocol;

    /// <summary>What the negotiation has come to; empty before.</summary>
    public string AgreedProtocol { get; private set; } = "";

    /// <summary>Where this stream is counted, when the peer has opened it.</summary>
    public Budget Streams => _muxer.Streams;

    /// <summary>The negotiation's answer, when it has not been read yet: it comes before the first byte that the application reads.</summary>
    public bool AwaitsAnswer { get; set; }

    /// <summary>True once both sides are closed or the stream is reset.</summary>
    public bool IsOver
    {
        get
        {
            lock (_lock)
            {
                return IsOverNow;
            }
        }
    }

    private bool IsOverNow => _resetReason is not null || (_localClosed && _remoteClosed);

    /// <summary>The negotiation is done: what has come and what comes takes of the protocol's memory too. False when that is used up.</summary>
    public bool TryAgree(string protocol, Budget memory)
    {
        AgreedProtocol = protocol;
        lock (_lock)
        {
            return _received.TryCharge(memory);
        }
    }

    /// <inheritdoc/>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
        AwaitsAnswer ? ReadAfterAnswerAsync(buffer, cancellationToken) : ReadNowAsync(buffer, cancellationToken);

    /// <inheritdoc/>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => WriteAsync(data, flush: true, cancellationToken);

    /// <summary>Writes; without <paramref name="flush"/> the bytes wait for the next write, which must follow at once.</summary>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> data, bool flush, CancellationToken cancellationToken)
    {
        if (_localClosed)
        {
            ThrowIfReset();
            throw new StreamResetException("the stream is closed for writing");
        }

        while (data.Length > 0)
        {
            int n = await SendWindow.TakeAsync(Math.Min(data.Length, _muxer.MaxData), cancellationToken);
            if (n == 0)
            {
                ThrowIfReset();
                throw new StreamResetException("the stream is closed");
            }

            for (int end = data.Length - n; data.Length > end;)
            {
                data = data[await SendDataAsync(data[..(data.Length - end)], flush, cancellationToken)..];
            }
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
        lock (_lock)
        {
            _discarding = true;
            _received.Clear();
        }

        if (Abort("the stream was reset here"))
        {
            _muxer.SendReset(this);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            _discarding = true;
            _received.Clear();
        }

        try
        {
            using var limit = new CancellationTokenSource(Muxer.CloseTime);
            await CloseWriteAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            // The peer lets us send nothing more, not even that.
            Abort("the stream could not be closed in time");
            _muxer.SendReset(this);
        }
        catch (IOException e)
        {
            Abort(e.Message);
        }

        if (!IsOver)
        {
            LingersUntil = Environment.TickCount64 + (long)Muxer.LingerTime.TotalMilliseconds;
            _muxer.Linger(this);
        }
    }

    /// <summary>Takes received bytes. Called by the connection's reader alone. False when the stream is over and they are dropped.</summary>
    public ReceiveResult Receive(ReadOnlySpan<byte> data)
    {
        int direct = 0;
        bool taken;
        lock (_lock)
        {
            if (_remoteClosed || _resetReason is not null)
            {
                return ReceiveResult.Dropped;
            }

            if (_discarding)
            {
                // Nobody will read it: a peer that goes on sending is told so before long.
                _discarded += data.Length;
                return _discarded <= MaxDiscarded ? ReceiveResult.Dropped : ReceiveResult.NoRoom;
            }

            if (_isWaiting)
            {
                direct = Math.Min(data.Length, _waiting.Length);
                data[..direct].CopyTo(_waiting.Span);
                data = data[direct..];
                _isWaiting = false;
            }

            taken = data.Length == 0 || _received.TryAdd(data);
        }

        if (direct > 0)
        {
            _muxer.OnRead(this, direct);
            _read.SetResult(direct);
        }

        return taken ? ReceiveResult.Taken : ReceiveResult.NoRoom;
    }

    /// <summary>Waits until no more than <paramref name="mark"/> bytes wait to be read; false when that takes longer than the time.</summary>
    public async Task<bool> WaitForReaderAsync(int mark, TimeSpan time, CancellationToken cancellationToken)
    {
        Task drained;
        lock (_lock)
        {
            if (_received.Length <= mark)
            {
                return true;
            }

            _drained = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _drainMark = mark;
            drained = _drained.Task;
        }

        try
        {
            await drained.WaitAsync(time, cancellationToken);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    /// <summary>The peer has closed its side.</summary>
    public void ReceiveClose()
    {
        bool wake;
        lock (_lock)
        {
            if (_remoteClosed || _resetReason is not null)
            {
                return;
            }

            _remoteClosed = true;
            wake = _isWaiting;
            _isWaiting = false;
        }

        if (wake)
        {
            _read.SetResult(0);
        }

        _muxer.RemoveIfOver(this);
    }

    /// <summary>The connection is gone. What the peer had sent in full before can still be read to its end.</summary>
    public void ConnectionLost(string reason)
    {
        bool whole;
        lock (_lock)
        {
            whole = _remoteClosed && !_discarding && _resetReason is null && _received.Length > 0;
            _localClosed |= whole;
            _lost = reason;
        }

        if (whole)
        {
            SendWindow.Close();
            _muxer.RemoveIfOver(this);
        }
        else
        {
            Abort(reason);
        }
    }

    /// <summary>Ends both ways here, with no word to the peer. False when it was over before.</summary>
    public bool Abort(string reason)
    {
        bool wake;
        TaskCompletionSource? drained;
        CancellationTokenSource? reset;
        lock (_lock)
        {
            if (IsOverNow)
            {
                return false;
            }

            _resetReason = reason;
            _localClosed = true;
            wake = _isWaiting;
            _isWaiting = false;
            _received.Clear();
            drained = _drained;
            _drained = null;
            reset = _reset;
        }

        drained?.TrySetResult();
        SendWindow.Close();
        if (wake)
        {
            _read.SetException(new StreamResetException(reason));
        }

        // On another thread: what hangs on the token must not run in the connection's reader.
        _ = reset?.CancelAsync();
        _muxer.RemoveIfOver(this);
        return true;
    }

    /// <summary>Notes that the peer has the stream, or that it is over. True the first time.</summary>
    public bool TryAcknowledge() => Interlocked.Exchange(ref _acknowledged, 1) == 0;

    /// <summary>What handles an inbound stream has ended.</summary>
    public void HandlerEnded() => _muxer.Release(this);

    /// <summary>One of the two who keep an inbound stream counted is done: the muxer, or what handles it. True for the last.</summary>
    public bool Release() => Interlocked.Decrement(ref _holds) == 0;

    int IValueTaskSource<int>.GetResult(short token)
    {
        _cancel.Dispose();
        return _read.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _read.GetStatus(token);

    void IValueTaskSource<int>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _read.OnCompleted(continuation, state, token, flags);

    private async ValueTask<int> SendDataAsync(ReadOnlyMemory<byte> data, bool flush, CancellationToken cancellationToken)
    {
        try
        {
            return await _muxer.SendDataAsync(this, data, flush, cancellationToken);
        }
        catch (IOException e)
        {
            ThrowIfReset();
            throw new StreamResetException($"the connection to {RemotePeer} is gone", e);
        }
    }

    private async ValueTask<int> ReadAfterAnswerAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        AwaitsAnswer = false;
        try
        {
            await MultistreamSelect.ReadAnswerAsync(this, AgreedProtocol, cancellationToken);
        }
        catch (IOException e) when (e is not StreamResetException)
        {
            Reset();
            throw new StreamResetException($"{RemotePeer} does not agree on {AgreedProtocol}: {e.Message}", e);
        }

        return await ReadNowAsync(buffer, cancellationToken);
    }

    private ValueTask<int> ReadNowAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellationToken);
        }

        TaskCompletionSource? drained = null;
        int n;
        lock (_lock)
        {
            n = _received.Read(buffer.Span);
            if (_drained is not null && _received.Length <= _drainMark)
            {
                drained = _drained;
                _drained = null;
            }

            if (n == 0 && buffer.Length > 0)
            {
                if (_resetReason is { } reason)
                {
                    return ValueTask.FromException<int>(new StreamResetException(reason));
                }

                if (!_remoteClosed)
                {
                    return Wait(buffer, cancellationToken);
                }
            }
        }

        drained?.TrySetResult();
        if (n > 0)
        {
            _muxer.OnRead(this, n);
        }

        return new ValueTask<int>(n);
    }

    /// <summary>Registers the caller as waiting. Under the lock.</summary>
    private ValueTask<int> Wait(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (_isWaiting)
        {
            throw new InvalidOperationException("a stream has one reader at a time");
        }

        _read.Reset();
        _waiting = buffer;
        _isWaiting = true;
        _cancel = cancellationToken.UnsafeRegister(static (state, token) => ((MuxedStream)state!).CancelRead(token), this);
        return new ValueTask<int>(this, _read.Version);
    }

    private void CancelRead(CancellationToken token)
    {
        lock (_lock)
        {
            if (!_isWaiting)
            {
                return;
            }

            _isWaiting = false;
        }

        _read.SetException(new OperationCanceledException(token));
    }

    private void ThrowIfReset()
    {
        if ((_resetReason ?? _lost) is { } reason)
        {
            throw new StreamResetException(reason);
        }
    }
}

/// <summary>What became of received bytes.</summary>
internal enum ReceiveResult
{
    /// <summary>They are the reader's, or wait for it.</summary>
    Taken,

    /// <summary>The stream is over: nobody wants them.</summary>
    Dropped,

    /// <summary>The memory for them is used up: the stream is to be reset.</summary>
    NoRoom,
}
