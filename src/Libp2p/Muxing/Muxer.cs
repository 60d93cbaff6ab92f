using System.Collections.Concurrent;
using Ipcs.Libp2p.Security.Noise;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Muxing;

/// <summary>The peer breaks the muxer's protocol: the connection ends.</summary>
public sealed class MuxerException(string message) : IOException(message);

/// <summary>
/// Many streams over one secured connection. One loop reads frames and hands their bytes to the streams; writers take turns under
/// one lock and the last of those waiting sends for all. Owns the channel and the streams.
/// </summary>
internal abstract class Muxer : IAsyncDisposable
{
    /// <summary>Streams that a peer may have open to us: a bound on memory, far over what any of our protocols needs.</summary>
    public const int MaxInboundStreams = 1024;

    /// <summary>Streams that we may have open to a peer.</summary>
    public const int MaxOutboundStreams = 1024;

    private readonly ConcurrentDictionary<(ulong Id, bool OpenedByUs), MuxedStream> _streams = new();
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly CancellationTokenSource _closing = new();
    private readonly Action<MuxedStream> _onInbound;
    private int _writers;
    private int _inbound;
    private int _outbound;
    private int _closed;

    protected Muxer(NoiseChannel channel, bool initiator, Action<MuxedStream> onInbound)
    {
        Channel = channel;
        IsInitiator = initiator;
        _onInbound = onInbound;
    }

    /// <summary>The muxer's protocol name.</summary>
    public abstract string Name { get; }

    /// <summary>The window that a stream starts with, in bytes, to send.</summary>
    public abstract long InitialWindow { get; }

    /// <summary>The most bytes in one data frame that we send.</summary>
    public abstract int MaxData { get; }

    /// <summary>How long a close may take to be sent.</summary>
    public TimeSpan CloseTime { get; } = TimeSpan.FromSeconds(5);

    /// <summary>Who is at the other end.</summary>
    public PeerId RemotePeer => Channel.RemotePeer;

    /// <summary>Open streams, both ways.</summary>
    public int StreamCount => _streams.Count;

    /// <summary>Ends when the connection does.</summary>
    public CancellationToken Closed => _closing.Token;

    /// <summary>The secured connection.</summary>
    protected NoiseChannel Channel { get; }

    /// <summary>True on the side that dialled.</summary>
    protected bool IsInitiator { get; }

    /// <summary>Reads frames until the connection ends; never throws, and leaves nothing open.</summary>
    public async Task<string> RunAsync()
    {
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
        catch (Exception e)
        {
            // Whatever it was, the connection is over; the streams say why.
            reason = e is OperationCanceledException ? "the connection was closed here" : e.Message;
        }

        Close(reason);
        return reason;
    }

    /// <summary>Opens a stream.</summary>
    public async ValueTask<MuxedStream> OpenAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Increment(ref _outbound) > MaxOutboundStreams)
        {
            Interlocked.Decrement(ref _outbound);
            throw new ConnectException($"{MaxOutboundStreams} streams are open to {RemotePeer} already");
        }

        var stream = new MuxedStream(this, NextId(), openedByUs: true);
        if (!_streams.TryAdd((stream.Id, true), stream))
        {
            Interlocked.Decrement(ref _outbound);
            throw new ConnectException("the connection's stream ids are used up");
        }

        try
        {
            _closing.Token.ThrowIfCancellationRequested();
            await SendOpenAsync(stream, cancellationToken);
            return stream;
        }
        catch (Exception e)
        {
            stream.Abort(e.Message);
            throw e is OperationCanceledException && !cancellationToken.IsCancellationRequested
                ? new ConnectException($"the connection to {RemotePeer} is closed", e)
                : e is IOException or ObjectDisposedException or System.Net.Sockets.SocketException ? new ConnectException($"no stream to {RemotePeer}: {e.Message}", e) : e;
        }
    }

    /// <summary>Sends the bytes of one data frame.</summary>
    public abstract ValueTask SendDataAsync(MuxedStream stream, ReadOnlyMemory<byte> data, CancellationToken cancellationToken);

    /// <summary>Says that we send no more.</summary>
    public abstract ValueTask SendCloseAsync(MuxedStream stream, CancellationToken cancellationToken);

    /// <summary>Says that the stream is over, in the background: whoever resets doesn't wait.</summary>
    public void SendReset(MuxedStream stream) => _ = SendQuietlyAsync(ResetFrame(stream));

    /// <summary>Called when the application has read bytes of a stream.</summary>
    public virtual ValueTask OnReadAsync(MuxedStream stream, int bytes, CancellationToken cancellationToken) => default;

    /// <summary>
    /// Called when the application is done with a stream whose peer is not: the peer has a while to close its side in order,
    /// since a reset at once could cost it bytes that it has received and not read.
    /// </summary>
    public async Task LingerAsync(MuxedStream stream)
    {
        await Task.Delay(CloseTime, _closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stream.Reset();
    }

    /// <summary>Forgets a stream that is over.</summary>
    public void RemoveIfOver(MuxedStream stream)
    {
        if (stream.IsOver && _streams.TryRemove((stream.Id, stream.OpenedByUs), out _))
        {
            if (stream.OpenedByUs)
            {
                Interlocked.Decrement(ref _outbound);
            }
            else
            {
                Interlocked.Decrement(ref _inbound);
            }
        }
    }

    /// <summary>Ends the connection and every stream of it.</summary>
    public void Close(string reason)
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
        {
            return;
        }

        _closing.Cancel();
        Channel.Dispose();
        foreach (MuxedStream stream in _streams.Values)
        {
            stream.Abort($"the connection to {RemotePeer} is gone: {reason}");
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        Close("closed here");
        return ValueTask.CompletedTask;
    }

    /// <summary>Takes received bytes: any part of any number of frames. The memory is good until it returns.</summary>
    protected abstract ValueTask ConsumeAsync(ReadOnlyMemory<byte> chunk);

    /// <summary>The next id of our own.</summary>
    protected abstract ulong NextId();

    /// <summary>Announces a stream.</summary>
    protected abstract ValueTask SendOpenAsync(MuxedStream stream, CancellationToken cancellationToken);

    /// <summary>The frame that resets a stream.</summary>
    protected abstract byte[] ResetFrame(MuxedStream stream);

    /// <summary>An open stream; null when there is none by that id.</summary>
    protected MuxedStream? Find(ulong id, bool openedByUs) => _streams.GetValueOrDefault((id, openedByUs));

    /// <summary>Takes a stream that the peer opens; null when it has too many, and then the stream is to be reset.</summary>
    protected MuxedStream? Accept(ulong id)
    {
        if (Interlocked.Increment(ref _inbound) > MaxInboundStreams)
        {
            Interlocked.Decrement(ref _inbound);
            return null;
        }

        var stream = new MuxedStream(this, id, openedByUs: false);
        if (!_streams.TryAdd((id, false), stream))
        {
            throw new MuxerException($"stream {id} is opened twice");
        }

        _onInbound(stream);
        return stream;
    }

    /// <summary>Sends one frame: its head and its bytes go out together, other writers' frames before or after.</summary>
    protected async ValueTask SendAsync(ReadOnlyMemory<byte> head, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _writers);
        try
        {
            await _writing.WaitAsync(cancellationToken);
        }
        catch
        {
            Interlocked.Decrement(ref _writers);
            throw;
        }

        try
        {
            // From here on the frame goes out whole: half a frame would spoil the connection.
            await Channel.AppendAsync(head, _closing.Token);
            if (data.Length > 0)
            {
                await Channel.AppendAsync(data, _closing.Token);
            }

            if (Interlocked.Decrement(ref _writers) == 0)
            {
                await Channel.FlushAsync(_closing.Token);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or OperationCanceledException or System.Net.Sockets.SocketException)
        {
            Close(e.Message);
            throw new StreamResetException($"the connection to {RemotePeer} is gone: {e.Message}", e);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Sends a frame that nobody waits for.</summary>
    protected async Task SendQuietlyAsync(byte[] frame)
    {
        try
        {
            await SendAsync(frame, default, _closing.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // The connection is gone, and with it whom to tell.
        }
    }
}
