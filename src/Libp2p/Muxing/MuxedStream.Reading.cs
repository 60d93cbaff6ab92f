using System.Diagnostics;
using System.Threading.Tasks.Sources;
using Ipcs.Libp2p.Negotiation;

namespace Ipcs.Libp2p.Muxing;

/// <summary>Reading: the connection's reading loop delivers bytes, the application reads them.</summary>
internal sealed partial class MuxedStream
{
    /// <summary>Bytes that the peer may still send on a stream that the application is done with, before the stream is reset.</summary>
    private const int MaxDiscarded = 1 << 20;

    private ManualResetValueTaskSourceCore<int> _read = new() { RunContinuationsAsynchronously = true };
    private Memory<byte> _waiting;
    private bool _isWaiting;
    private bool _waitsForAll;
    private int _filled;
    private CancellationTokenRegistration _cancel;
    private TaskCompletionSource? _drained;
    private int _drainMark;
    private int _discarded;

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

    /// <inheritdoc/>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
        AwaitsNegotiation
            ? ReadAfterNegotiationAsync(buffer, all: false, cancellationToken)
            : ReadNowAsync(buffer, all: false, cancellationToken);

    /// <inheritdoc/>
    public override ValueTask<int> ReadFullyAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
        AwaitsNegotiation
            ? ReadAfterNegotiationAsync(buffer, all: true, cancellationToken)
            : ReadNowAsync(buffer, all: true, cancellationToken);

    /// <summary>Delivers received bytes. Called by the connection's reading loop only.</summary>
    public ReceiveResult Receive(ReadOnlySpan<byte> data)
    {
        int direct = 0, filled = 0;
        bool accepted, wake = false;
        if (CountsAsUse)
        {
            _muxer.NoteUse();
        }

        lock (_lock)
        {
            if (_remoteClosed || _resetReason is not null)
            {
                return ReceiveResult.Discarded;
            }

            if (_discarding)
            {
                // Nobody reads the stream any more: a peer that goes on sending gets a reset before long.
                _discarded += data.Length;
                return _discarded <= MaxDiscarded ? ReceiveResult.Discarded : ReceiveResult.LimitExceeded;
            }

            if (_isWaiting)
            {
                direct = Math.Min(data.Length, _waiting.Length);
                data[..direct].CopyTo(_waiting.Span);
                data = data[direct..];
                filled = _filled += direct;
                _waiting = _waiting[direct..];
                wake = !_waitsForAll || _waiting.IsEmpty;
                _isWaiting = !wake;
            }

            accepted = data.Length == 0 || _received.TryAdd(data);
        }

        if (direct > 0)
        {
            _muxer.OnRead(this, direct);
        }

        if (wake)
        {
            _read.SetResult(filled);
        }

        return accepted ? ReceiveResult.Accepted : ReceiveResult.LimitExceeded;
    }

    /// <summary>
    /// Waits until at most <paramref name="mark"/> bytes are buffered; false when that takes longer than <paramref name="limit"/>.
    /// </summary>
    public async Task<bool> WaitForReaderAsync(int mark, TimeSpan limit, CancellationToken cancellationToken)
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
            await drained.WaitAsync(limit, _muxer.Time, cancellationToken);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    /// <summary>Notes that the peer has closed its side.</summary>
    public void ReceiveClose()
    {
        bool wake;
        int filled;
        lock (_lock)
        {
            if (_remoteClosed || _resetReason is not null)
            {
                return;
            }

            _remoteClosed = true;
            wake = _isWaiting;
            _isWaiting = false;
            filled = _filled;
        }

        if (wake)
        {
            _read.SetResult(filled);
        }

        _muxer.RemoveIfClosed(this);
    }

    int IValueTaskSource<int>.GetResult(short token)
    {
        _cancel.Dispose();
        return _read.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _read.GetStatus(token);

    void IValueTaskSource<int>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _read.OnCompleted(continuation, state, token, flags);

    private async ValueTask<int> ReadAfterNegotiationAsync(Memory<byte> buffer, bool all, CancellationToken cancellationToken)
    {
        AwaitsNegotiation = false;
        try
        {
            await MultistreamSelect.ReadAnswerAsync(this, NegotiatedProtocol, cancellationToken);
        }
        catch (IOException e) when (e is not StreamResetException)
        {
            Reset();
            throw new StreamResetException($"{RemotePeer} did not accept {NegotiatedProtocol}: {e.Message}", e);
        }

        return await ReadNowAsync(buffer, all, cancellationToken);
    }

    private ValueTask<int> ReadNowAsync(Memory<byte> buffer, bool all, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellationToken);
        }

        TaskCompletionSource? drained = null;
        int n;
        ValueTask<int> result;
        lock (_lock)
        {
            n = _received.Read(buffer.Span);
            if (_drained is not null && _received.Length <= _drainMark)
            {
                drained = _drained;
                _drained = null;
            }

            bool more = n < buffer.Length && (all || n == 0);
            result = more && _resetReason is { } reason ? ValueTask.FromException<int>(new StreamResetException(reason))
                : more && !_remoteClosed ? Wait(buffer, n, all, cancellationToken)
                : new ValueTask<int>(n);
        }

        drained?.TrySetResult();
        if (n > 0)
        {
            _muxer.OnRead(this, n);
        }

        return result;
    }

    /// <summary>
    /// Registers the caller as waiting for the bytes behind the <paramref name="filled"/> ones that it has. Called under the lock.
    /// </summary>
    private ValueTask<int> Wait(Memory<byte> buffer, int filled, bool all, CancellationToken cancellationToken)
    {
        Debug.Assert(_lock.IsHeldByCurrentThread && _received.Length == 0, "a read waits only when the queue is empty");
        if (_isWaiting)
        {
            throw new InvalidOperationException("a stream has one reader at a time");
        }

        _read.Reset();
        _waiting = buffer[filled..];
        _filled = filled;
        _waitsForAll = all;
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
}
