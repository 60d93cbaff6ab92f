using System.Threading.Tasks.Sources;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Muxing;

/// <summary>
/// One stream of a muxed connection. The connection's reader brings bytes, one caller takes them: straight into its buffer when it waits,
/// else through a queue. What differs between muxers (frames, flow control) is the muxer's. Owns the queue.
/// This part is how a stream begins, is counted and ends; the others are about reading and about writing.
/// </summary>
internal sealed partial class MuxedStream : PeerStream, IByteChannel, IValueTaskSource<int>
{
    private readonly Muxer _muxer;
    private readonly ReceiveQueue _received;
    private readonly Lock _lock = new();
    private CancellationTokenSource? _reset;
    private bool _localClosed;
    private bool _remoteClosed;
    private bool _discarding;
    private string? _resetReason;
    private string? _lost;
    private int _holds;
    private int _acknowledged;

    public MuxedStream(Muxer muxer, ulong id, bool openedByUs, ResourceLimit memory)
    {
        _muxer = muxer;
        _received = new ReceiveQueue(memory);
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
    public ResourceLimit Streams => _muxer.Streams;

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
    public bool TryAgree(string protocol, ResourceLimit memory)
    {
        AgreedProtocol = protocol;
        lock (_lock)
        {
            return _received.TryCharge(memory);
        }
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
}
