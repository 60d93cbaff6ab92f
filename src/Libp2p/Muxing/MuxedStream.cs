using System.Diagnostics;
using System.Threading.Tasks.Sources;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Muxing;

/// <summary>
/// One stream of a muxed connection. The connection's reading loop delivers bytes and one caller reads them: directly into its buffer when
/// it is waiting, else through a queue. The muxer does what differs between muxers: frames and flow control. Owns the queue.
/// This part opens, counts and closes the stream; the other parts read and write.
/// </summary>
internal sealed partial class MuxedStream : PeerStream, IByteChannel, IValueTaskSource<int>
{
    private readonly Muxer _muxer;
    private readonly ReceiveQueue _received;
    private readonly Lock _lock = new();
    private CancellationTokenSource? _reset;
    private Task _resetCallbacks = Task.CompletedTask;
    private bool _localClosed;
    private bool _remoteClosed;
    private bool _discarding;
    private string? _resetReason;
    private string? _lostReason;
    private long _lingerStart;
    private int _references;
    private int _acknowledged;

    public MuxedStream(Muxer muxer, ulong id, bool openedByUs, ResourceLimit memory)
    {
        _muxer = muxer;
        _received = new ReceiveQueue(memory);
        Id = id;
        OpenedByUs = openedByUs;
        _references = openedByUs ? 1 : 2;
        SendWindow = new SendWindow(muxer.InitialWindow);
    }

    /// <summary>The id on the wire.</summary>
    public ulong Id { get; }

    /// <summary>True when this host opened the stream. In mplex the ids of the two sides are separate.</summary>
    public bool OpenedByUs { get; }

    /// <summary>How many bytes the peer lets us send; unlimited in a muxer without flow control.</summary>
    public SendWindow SendWindow { get; }

    /// <summary>How many bytes we let the peer send; used by yamux only.</summary>
    public ReceiveWindow ReceiveWindow { get; } = new();

    /// <summary>
    /// When the application was done with the stream, as a timestamp of the muxer's clock; 0 while it still uses the stream. The stream is
    /// reset <see cref="Muxer.LingerTime"/> later.
    /// </summary>
    public long LingerStart => Volatile.Read(ref _lingerStart);

    /// <summary>Cancelled when the stream is reset.</summary>
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

    /// <summary>Completes when the callbacks of a cancelled <see cref="ResetToken"/> have run.</summary>
    public Task ResetCallbacks
    {
        get
        {
            lock (_lock)
            {
                return _resetCallbacks;
            }
        }
    }

    /// <inheritdoc/>
    public override PeerId RemotePeer => _muxer.RemotePeer;

    /// <inheritdoc/>
    public override string Protocol => NegotiatedProtocol;

    /// <summary>The negotiated protocol; empty before the negotiation has ended.</summary>
    public string NegotiatedProtocol { get; private set; } = "";

    /// <summary>The limit that the stream counts against when the peer opened it.</summary>
    public ResourceLimit Streams => _muxer.Streams;

    /// <summary>
    /// True while the peer's answer to our proposal has not been read: it precedes the first byte that the application reads.
    /// </summary>
    public bool AwaitsNegotiation { get; set; }

    /// <summary>True when bytes of the peer show that the connection is of use: those of ping and identify don't.</summary>
    public bool CountsAsUse { get; set; }

    /// <summary>True when both sides are closed or the stream is reset.</summary>
    public bool IsClosed
    {
        get
        {
            lock (_lock)
            {
                return IsClosedUnderLock;
            }
        }
    }

    private bool IsClosedUnderLock => _resetReason is not null || (_localClosed && _remoteClosed);

    /// <summary>
    /// Sets the negotiated protocol and counts the stream's receive memory against the protocol's limit. False when the limit is reached.
    /// </summary>
    public bool TrySetProtocol(string protocol, ResourceLimit memory)
    {
        NegotiatedProtocol = protocol;
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

        if (Abort("the stream was reset by this host"))
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
            using var limit = new CancellationTokenSource(Muxer.CloseTime, _muxer.Time);
            await CloseWriteAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            // The connection is stalled: the close frame could not be written.
            Abort("the stream could not be closed in time");
            _muxer.SendReset(this);
        }
        catch (IOException e)
        {
            Abort(e.Message);
        }

        if (!IsClosed)
        {
            Volatile.Write(ref _lingerStart, _muxer.Time.GetTimestamp());
            _muxer.Linger();
        }
    }

    /// <summary>
    /// Ends the stream because its connection has ended. Bytes of a peer that had closed its side can still be read to the end.
    /// </summary>
    public void ConnectionLost(string reason)
    {
        bool readable;
        lock (_lock)
        {
            readable = _remoteClosed && !_discarding && _resetReason is null && _received.Length > 0;
            _localClosed |= readable;
            _lostReason = reason;
        }

        if (readable)
        {
            SendWindow.Close();
            _muxer.RemoveIfClosed(this);
        }
        else
        {
            Abort(reason);
        }
    }

    /// <summary>Ends both directions without sending a frame. False when the stream was closed before.</summary>
    public bool Abort(string reason)
    {
        bool wake;
        TaskCompletionSource? drained;
        lock (_lock)
        {
            if (IsClosedUnderLock)
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

            // Callbacks run on another thread: the connection's reading loop must not run them.
            _resetCallbacks = _reset?.CancelAsync() ?? Task.CompletedTask;
        }

        drained?.TrySetResult();
        SendWindow.Close();
        if (wake)
        {
            _read.SetException(new StreamResetException(reason));
        }

        _muxer.RemoveIfClosed(this);
        return true;
    }

    /// <summary>Notes that the peer has acknowledged the stream, or that it is closed. True the first time.</summary>
    public bool TryAcknowledge() => Interlocked.Exchange(ref _acknowledged, 1) == 0;

    /// <summary>Notes that the handler of an inbound stream has ended.</summary>
    public void HandlerEnded() => _muxer.Release(this);

    /// <summary>
    /// Releases one of the references that keep the stream counted: the muxer's, and for an inbound stream its handler's. True for the
    /// last.
    /// </summary>
    public bool ReleaseReference()
    {
        int left = Interlocked.Decrement(ref _references);
        Debug.Assert(left >= 0, "each reference is released once");
        return left == 0;
    }
}
