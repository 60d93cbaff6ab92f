using System.Collections.Concurrent;
using Ipcs.Libp2p.Security.Noise;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Muxing;

/// <summary>The peer breaks the muxer's protocol: the connection ends.</summary>
public sealed class MuxerException(string message) : IOException(message);

/// <summary>
/// Many streams over one secured connection. One loop reads frames and hands their bytes to the streams; all writing goes through one
/// <see cref="FrameWriter"/>. A stream's failure resets the stream, a breach of the protocol ends the connection. Owns the channel and the streams.
/// </summary>
internal abstract class Muxer : IAsyncDisposable
{
    /// <summary>How long a close may wait for what is written before it: as long as a slow peer takes for that, and a dead one to be found out.</summary>
    public static readonly TimeSpan CloseTime = TimeSpan.FromSeconds(30);

    /// <summary>How long a peer has to close its side of a stream that the application is done with, before the stream is reset.</summary>
    public static readonly TimeSpan LingerTime = TimeSpan.FromSeconds(5);

    /// <summary>How long what is written may take to leave when the connection is closed in order.</summary>
    private static readonly TimeSpan DrainTime = TimeSpan.FromMilliseconds(500);

    private readonly ConcurrentDictionary<(ulong Id, bool OpenedByUs), MuxedStream> _streams = new();
    private readonly MuxerSettings _settings;
    private readonly ResourceLimit _memory;
    private readonly CancellationTokenSource _closing = new();
    private readonly Timer _lingering;
    private int _lingers;
    private int _inbound;
    private int _outbound;
    private int _closed;
    private volatile bool _running;
    private string _reason = "";

    protected Muxer(NoiseChannel channel, bool initiator, MuxerSettings settings)
    {
        Channel = channel;
        IsInitiator = initiator;
        _settings = settings;
        _memory = new ResourceLimit(settings.MaxBuffered, settings.Memory);
        Writer = new FrameWriter(channel, Close, _closing.Token);
        _lingering = new Timer(static state => ((Muxer)state!).EndLingering(), this, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>The muxer's protocol name.</summary>
    public abstract string Name { get; }

    /// <summary>The window that a stream starts with, in bytes, to send.</summary>
    public abstract long InitialWindow { get; }

    /// <summary>The most bytes in one data frame that we send.</summary>
    public abstract int MaxData { get; }

    /// <summary>Who is at the other end.</summary>
    public PeerId RemotePeer => Channel.RemotePeer;

    /// <summary>Open streams, both ways.</summary>
    public int StreamCount => _streams.Count;

    /// <summary>Bytes that wait in the streams' receive buffers.</summary>
    public long BufferedBytes => _memory.Used;

    /// <summary>Inbound streams that are handled.</summary>
    public ResourceLimit Streams => _settings.Streams;

    /// <summary>Ends when the connection does.</summary>
    public CancellationToken Closed => _closing.Token;

    /// <summary>The secured connection.</summary>
    protected NoiseChannel Channel { get; }

    /// <summary>Where frames are written.</summary>
    protected FrameWriter Writer { get; }

    /// <summary>True on the side that dialled.</summary>
    protected bool IsInitiator { get; }

    /// <summary>Reads frames until the connection ends; never throws, and leaves nothing open.</summary>
    public async Task<string> RunAsync()
    {
        string reason = "the peer closed the connection";
        _running = true;
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
            OnBreach();
        }
        catch (Exception e)
        {
            // Whatever it was, the connection is over; the streams say why.
            reason = e.Message;
        }

        // Who closed it first knows why. What came in while it was being closed is over too: nothing is accepted after this.
        Close(reason);
        EndStreams();
        Channel.EndReading();
        return _reason;
    }

    /// <summary>Opens a stream. Without <paramref name="flush"/> the peer hears of it with the first write, which must follow at once.</summary>
    public async ValueTask<MuxedStream> OpenAsync(bool flush, CancellationToken cancellationToken)
    {
        if (Interlocked.Increment(ref _outbound) > _settings.MaxOutboundStreams)
        {
            Interlocked.Decrement(ref _outbound);
            throw new ConnectException($"{_settings.MaxOutboundStreams} streams are open to {RemotePeer} already");
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
            throw e is IOException and not ConnectException ? new ConnectException($"no stream to {RemotePeer}: {e.Message}", e) : e;
        }
    }

    /// <summary>Sends a data frame with as many of the bytes as fit, and returns how many those are.</summary>
    public abstract ValueTask<int> SendDataAsync(MuxedStream stream, ReadOnlyMemory<byte> data, bool flush, CancellationToken cancellationToken);

    /// <summary>Says that we send no more.</summary>
    public abstract ValueTask SendCloseAsync(MuxedStream stream, CancellationToken cancellationToken);

    /// <summary>Says that the stream is over; whoever resets doesn't wait.</summary>
    public abstract void SendReset(MuxedStream stream);

    /// <summary>Called when the application has read bytes of a stream.</summary>
    public virtual void OnRead(MuxedStream stream, int bytes)
    {
    }

    /// <summary>
    /// Called when the application is done with a stream whose peer is not: the peer has a while to close its side in order,
    /// since a reset at once could cost it bytes that it has received and not read. One timer serves all such streams.
    /// </summary>
    public void Linger(MuxedStream stream)
    {
        if (Interlocked.Exchange(ref _lingers, 1) == 0)
        {
            Arm();
        }
    }

    /// <summary>Forgets a stream that is over.</summary>
    public void RemoveIfOver(MuxedStream stream)
    {
        if (stream.IsOver && _streams.TryRemove((stream.Id, stream.OpenedByUs), out _))
        {
            OnRemoved(stream);
            Release(stream);
        }
    }

    /// <summary>
    /// Counts an inbound stream no longer once it is forgotten and what handled it has ended, in either order: a peer that opens and resets
    /// in a loop can't start more handlers than it may have streams.
    /// </summary>
    public void Release(MuxedStream stream)
    {
        if (stream.Release())
        {
            Interlocked.Decrement(ref stream.OpenedByUs ? ref _outbound : ref _inbound);
        }
    }

    /// <summary>Ends the connection and every stream of it.</summary>
    public void Close(string reason)
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
        {
            return;
        }

        _reason = reason;
        _closing.Cancel();
        _lingering.Dispose();
        Writer.Close();
        Channel.Dispose();
        EndStreams();
    }

    /// <summary>Closes the connection in order: what has been written leaves first, within a short time.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Volatile.Read(ref _closed) == 0)
        {
            OnGoingAway();
            long end = Environment.TickCount64 + (long)DrainTime.TotalMilliseconds;
            while (!Writer.IsIdle && !_closing.IsCancellationRequested && Environment.TickCount64 < end)
            {
                await Task.Delay(1);
            }

            Channel.CloseWrite();

            // The peer closes in turn when it has read all; a socket that is closed with bytes unread would take them back from it.
            while (_running && !_closing.IsCancellationRequested && Environment.TickCount64 < end)
            {
                await Task.Delay(1);
            }
        }

        Close("it was closed here");
    }

    /// <summary>Takes received bytes: any part of any number of frames. The memory is good until it returns.</summary>
    protected abstract ValueTask ConsumeAsync(ReadOnlyMemory<byte> chunk);

    /// <summary>The next id of our own.</summary>
    protected abstract ulong NextId();

    /// <summary>Announces a stream.</summary>
    protected abstract ValueTask SendOpenAsync(MuxedStream stream, bool flush, CancellationToken cancellationToken);

    /// <summary>Waits until one more stream may be opened.</summary>
    protected virtual ValueTask BeforeOpenAsync(CancellationToken cancellationToken) => default;

    /// <summary>Called once for every stream that is forgotten.</summary>
    protected virtual void OnRemoved(MuxedStream stream)
    {
    }

    /// <summary>Called before the connection is closed in order.</summary>
    protected virtual void OnGoingAway()
    {
    }

    /// <summary>Called when the peer has broken the protocol, before the connection is closed.</summary>
    protected virtual void OnBreach()
    {
    }

    /// <summary>An open stream; null when there is none by that id.</summary>
    protected MuxedStream? Find(ulong id, bool openedByUs) => _streams.GetValueOrDefault((id, openedByUs));

    /// <summary>Takes a stream that the peer opens; null when it has too many, and then the stream is to be reset.</summary>
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
            stream.ConnectionLost($"the connection to {RemotePeer} is gone: {_reason}");
        }
    }

    private void EndLingering()
    {
        Volatile.Write(ref _lingers, 0);
        bool more = false;
        foreach (MuxedStream stream in _streams.Values)
        {
            if (stream.LingersUntil == 0)
            {
                continue;
            }

            if (stream.LingersUntil <= Environment.TickCount64)
            {
                stream.Reset();
            }
            else
            {
                more = true;
            }
        }

        if (more && Interlocked.Exchange(ref _lingers, 1) == 0)
        {
            Arm();
        }
    }

    private void Arm()
    {
        try
        {
            _lingering.Change(1000, Timeout.Infinite);
        }
        catch (ObjectDisposedException)
        {
            // The connection is closed, and with it every stream.
        }
    }
}
