using System.Collections.Concurrent;
using System.Diagnostics;
using Ipcs.Libp2p.Security.Noise;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Muxing;

/// <summary>
/// Many streams over one secured connection. One loop reads frames and delivers their bytes to the streams; all writing goes through one
/// <see cref="FrameWriter"/>. The failure of a stream resets the stream, a protocol violation ends the connection. Owns the channel and the
/// streams.
/// </summary>
internal abstract class Muxer : IAsyncDisposable
{
    /// <summary>
    /// How long the close of a stream may wait for earlier writes: as long as a slow peer takes to read them, and as the ping takes to
    /// detect a dead peer.
    /// </summary>
    public static readonly TimeSpan CloseTime = TimeSpan.FromSeconds(30);

    /// <summary>How long the peer has to close its side of a stream that the application is done with. Then the stream is reset.</summary>
    public static readonly TimeSpan LingerTime = TimeSpan.FromSeconds(5);

    /// <summary>How long an orderly close of the connection may wait for earlier writes to be sent.</summary>
    private static readonly TimeSpan DrainTime = TimeSpan.FromMilliseconds(500);

    /// <summary>How often an orderly close checks whether it may go on.</summary>
    private static readonly TimeSpan PollTime = TimeSpan.FromMilliseconds(1);

    /// <summary>How often streams that linger are checked.</summary>
    private static readonly TimeSpan LingerInterval = TimeSpan.FromSeconds(1);

    private const int NotStarted = 0;
    private const int Running = 1;
    private const int NeverStarted = 2;

    private readonly ConcurrentDictionary<(ulong Id, bool OpenedByUs), MuxedStream> _streams = new();
    private readonly MuxerSettings _settings;
    private readonly ResourceLimit _memory;
    private readonly CancellationTokenSource _closing = new();
    private readonly ITimer _lingerTimer;
    private int _lingerArmed;
    private int _inbound;
    private int _outbound;
    private int _closed;
    private int _state;
    private bool _used;
    private string _reason = "";

    protected Muxer(NoiseChannel channel, bool initiator, MuxerSettings settings)
    {
        Channel = channel;
        IsInitiator = initiator;
        _settings = settings;
        _memory = new ResourceLimit(settings.MaxBuffered, settings.Memory);
        Writer = new FrameWriter(channel, Close, _closing.Token);
        _lingerTimer = settings.Time.CreateTimer(
            static state => ((Muxer)state!).ResetLingering(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>The muxer's protocol name.</summary>
    public abstract string Name { get; }

    /// <summary>The send window in bytes that a stream starts with.</summary>
    public abstract long InitialWindow { get; }

    /// <summary>The maximum number of bytes in a data frame that we send.</summary>
    public abstract int MaxData { get; }

    /// <summary>The peer at the other end.</summary>
    public PeerId RemotePeer => Channel.RemotePeer;

    /// <summary>The number of open streams, inbound and outbound.</summary>
    public int StreamCount => _streams.Count;

    /// <summary>Bytes in the streams' receive buffers.</summary>
    public long BufferedBytes => _memory.Used;

    /// <summary>Notes that the peer has sent something on an application's stream. Called by the reading loop.</summary>
    public void NoteUse() => Volatile.Write(ref _used, true);

    /// <summary>True when the peer has sent something on an application's stream since the last call.</summary>
    public bool TakeUse() => Interlocked.Exchange(ref _used, false);

    /// <summary>The limit on inbound streams, for their handlers.</summary>
    public ResourceLimit Streams => _settings.Streams;

    /// <summary>Cancelled when the connection ends.</summary>
    public CancellationToken Closed => _closing.Token;

    /// <summary>The clock of time limits.</summary>
    public TimeProvider Time => _settings.Time;

    /// <summary>The secured connection.</summary>
    protected NoiseChannel Channel { get; }

    /// <summary>Writes frames.</summary>
    protected FrameWriter Writer { get; }

    /// <summary>True when this host dialled.</summary>
    protected bool IsInitiator { get; }

    /// <summary>Reads frames until the connection ends, then closes everything. Never throws. Returns why the connection ended.</summary>
    public async Task<string> RunAsync()
    {
        if (Interlocked.CompareExchange(ref _state, Running, NotStarted) != NotStarted)
        {
            await Writer.Completion;
            return _reason;
        }

        string reason = "the peer closed the connection";
        try
        {
            while (true)
            {
                ReadOnlyMemory<byte> chunk = await Channel.ReadChunkAsync(_closing.Token);
                if (chunk.IsEmpty)
                {
                    break;
                }

                await ConsumeAsync(chunk);
            }
        }
        catch (MuxerException e)
        {
            reason = e.Message;
            OnViolation();
        }
        catch (Exception e)
        {
            // Any failure ends the connection; the streams report the reason.
            reason = e.Message;
        }

        // The first call of Close set the reason. Streams that were accepted while it ran are ended now; none are accepted after this.
        Close(reason);
        EndStreams();
        Channel.EndReading();
        await Writer.Completion;
        return _reason;
    }

    /// <summary>
    /// Opens a stream. Without <paramref name="flush"/> the opening frame is sent with the first write, which must follow at once.
    /// </summary>
    public async ValueTask<MuxedStream> OpenAsync(bool flush, CancellationToken cancellationToken)
    {
        if (Interlocked.Increment(ref _outbound) > _settings.MaxOutboundStreams)
        {
            Interlocked.Decrement(ref _outbound);
            throw new ConnectException($"{_settings.MaxOutboundStreams} streams to {RemotePeer} are open already");
        }

        MuxedStream stream;
        try
        {
            await BeforeOpenAsync(cancellationToken);
            stream = new MuxedStream(this, NextId(), openedByUs: true, _memory);
        }
        catch
        {
            Interlocked.Decrement(ref _outbound);
            throw;
        }

        _streams[(stream.Id, true)] = stream;
        try
        {
            if (_closing.IsCancellationRequested)
            {
                throw new ConnectException($"the connection to {RemotePeer} is closed");
            }

            await SendOpenAsync(stream, flush, cancellationToken);
            return stream;
        }
        catch (Exception e)
        {
            stream.Abort(e.Message);
            throw e is IOException and not ConnectException
                ? new ConnectException($"can't open a stream to {RemotePeer}: {e.Message}", e)
                : e;
        }
    }

    /// <summary>Sends a data frame with as many of the bytes as fit, and returns how many fitted.</summary>
    public abstract ValueTask<int> SendDataAsync(
        MuxedStream stream, ReadOnlyMemory<byte> data, bool flush, CancellationToken cancellationToken);

    /// <summary>Sends that this side is closed.</summary>
    public abstract ValueTask SendCloseAsync(MuxedStream stream, CancellationToken cancellationToken);

    /// <summary>Sends that the stream is reset, without waiting.</summary>
    public abstract void SendReset(MuxedStream stream);

    /// <summary>Called when the application has read bytes of a stream.</summary>
    public virtual void OnRead(MuxedStream stream, int bytes)
    {
    }

    /// <summary>
    /// Called when the application is done with a stream but the peer has not closed its side. The peer gets <see cref="LingerTime"/> to do
    /// so, because an immediate reset could discard bytes that it has received and not read. One timer serves all such streams.
    /// </summary>
    public void Linger()
    {
        if (Interlocked.Exchange(ref _lingerArmed, 1) == 0)
        {
            Arm();
        }
    }

    /// <summary>Removes a stream when it is closed.</summary>
    public void RemoveIfClosed(MuxedStream stream)
    {
        if (stream.IsClosed && _streams.TryRemove((stream.Id, stream.OpenedByUs), out _))
        {
            OnRemoved(stream);
            Release(stream);
        }
    }

    /// <summary>
    /// Releases a reference to a stream. An inbound stream is counted until it is removed and its handler has ended, in either order, so
    /// that a peer which opens and resets streams in a loop can't start more handlers than it may have streams.
    /// </summary>
    public void Release(MuxedStream stream)
    {
        if (stream.ReleaseReference())
        {
            int left = Interlocked.Decrement(ref stream.OpenedByUs ? ref _outbound : ref _inbound);
            Debug.Assert(left >= 0, "every stream was counted");
        }
    }

    /// <summary>Ends the connection and all its streams at once.</summary>
    public void Close(string reason)
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
        {
            return;
        }

        _reason = reason;
        _closing.Cancel();
        _lingerTimer.Dispose();
        Writer.Close();
        Channel.Dispose();
        EndStreams();
        if (Interlocked.CompareExchange(ref _state, NeverStarted, NotStarted) == NotStarted)
        {
            // The negotiation has left a receive buffer, which no reading loop will return.
            Channel.EndReading();
        }
    }

    /// <summary>Closes the connection in order: earlier writes are sent first, within <see cref="DrainTime"/>.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Volatile.Read(ref _closed) == 0)
        {
            OnGoingAway();
            long start = Time.GetTimestamp();
            while (!Writer.IsIdle && !_closing.IsCancellationRequested && Time.GetElapsedTime(start) < DrainTime)
            {
                await Task.Delay(PollTime, Time);
            }

            Channel.CloseWrite();

            // The peer closes its side when it has read everything. Closing a socket with unread bytes sends a TCP reset, which would make
            // the peer's kernel discard what the peer has not read.
            while (Volatile.Read(ref _state) == Running && !_closing.IsCancellationRequested && Time.GetElapsedTime(start) < DrainTime)
            {
                await Task.Delay(PollTime, Time);
            }
        }

        Close("closed by this host");
        await Writer.Completion;
    }

    /// <summary>
    /// Consumes received bytes, which may hold any part of any number of frames. The memory is valid until the task completes.
    /// </summary>
    protected abstract ValueTask ConsumeAsync(ReadOnlyMemory<byte> chunk);

    /// <summary>The id of the next stream opened by this host.</summary>
    protected abstract ulong NextId();

    /// <summary>Sends that a stream is opened.</summary>
    protected abstract ValueTask SendOpenAsync(MuxedStream stream, bool flush, CancellationToken cancellationToken);

    /// <summary>Waits until another stream may be opened.</summary>
    protected virtual ValueTask BeforeOpenAsync(CancellationToken cancellationToken) => default;

    /// <summary>Called once for every stream that is removed.</summary>
    protected virtual void OnRemoved(MuxedStream stream)
    {
    }

    /// <summary>Called before an orderly close of the connection.</summary>
    protected virtual void OnGoingAway()
    {
    }

    /// <summary>Called when the peer has violated the protocol, before the connection is closed.</summary>
    protected virtual void OnViolation()
    {
    }

    /// <summary>Finds an open stream; null when there is none with that id.</summary>
    protected MuxedStream? Find(ulong id, bool openedByUs) => _streams.GetValueOrDefault((id, openedByUs));

    /// <summary>Accepts a stream that the peer opens; null when it has too many, and the stream must be reset.</summary>
    protected MuxedStream? Accept(ulong id)
    {
        if (_closing.IsCancellationRequested)
        {
            throw new EndOfStreamException(_reason);
        }

        if (Interlocked.Increment(ref _inbound) > _settings.MaxInboundStreams)
        {
            Interlocked.Decrement(ref _inbound);
            return null;
        }

        var stream = new MuxedStream(this, id, openedByUs: false, _memory);
        if (!_streams.TryAdd((id, false), stream))
        {
            throw new MuxerException($"stream {id} is opened twice");
        }

        _settings.OnInbound(stream);
        return stream;
    }

    private void EndStreams()
    {
        foreach (MuxedStream stream in _streams.Values)
        {
            stream.ConnectionLost($"the connection to {RemotePeer} has ended: {_reason}");
        }
    }

    private void ResetLingering()
    {
        Volatile.Write(ref _lingerArmed, 0);
        bool more = false;
        foreach (MuxedStream stream in _streams.Values)
        {
            if (stream.LingerStart == 0)
            {
                continue;
            }

            if (Time.GetElapsedTime(stream.LingerStart) >= LingerTime)
            {
                stream.Reset();
            }
            else
            {
                more = true;
            }
        }

        if (more && Interlocked.Exchange(ref _lingerArmed, 1) == 0)
        {
            Arm();
        }
    }

    private void Arm()
    {
        // Does nothing after the timer was disposed: the connection is closed, and with it every stream.
        _lingerTimer.Change(LingerInterval, Timeout.InfiniteTimeSpan);
    }
}
