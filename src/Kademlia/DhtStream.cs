using System.Buffers;
using System.Diagnostics;
using Ipcs.Kademlia.Wire;
using Ipcs.Libp2p;

namespace Ipcs.Kademlia;

/// <summary>
/// A stream to one peer for requests, one after the other. It is reused for a few seconds, since js-libp2p closes a connection that opens
/// more than five mplex streams a second, and no longer, since the server of js-libp2p closes a stream that is idle for ten.
/// </summary>
internal sealed class DhtStream : IAsyncDisposable
{
    /// <summary>How long an idle stream is reused.</summary>
    public static readonly TimeSpan ReuseTime = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _mutex = new(1);
    private readonly TimeProvider _time;
    private PeerStream? _stream;
    private LengthPrefixedReader? _reader;
    private long _usedAt;
    private int _waiting;
    private bool _closed;

    public DhtStream(TimeProvider time)
    {
        _time = time;
        _usedAt = time.GetTimestamp();
    }

    /// <summary>
    /// True when no request uses the stream or waits for it, and it has been idle for longer than <see cref="ReuseTime"/>.
    /// </summary>
    public bool IsIdle => Volatile.Read(ref _waiting) == 0 && _time.GetElapsedTime(Volatile.Read(ref _usedAt)) > ReuseTime;

    /// <summary>Sends messages and reads the answer to the last one; the others must be of types that have no answer.</summary>
    /// <exception cref="IOException">The peer disconnected, reset the stream, or sent something else than the answer.</exception>
    public async Task<DhtMessage> RequestAsync(
        IReadOnlyList<DhtMessage> messages, Func<CancellationToken, ValueTask<PeerStream>> open, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _waiting);
        try
        {
            await _mutex.WaitAsync(cancellationToken);
            try
            {
                return await RequestOnceOrTwiceAsync(messages, open, cancellationToken);
            }
            finally
            {
                if (_closed)
                {
                    // The stream was disposed while this request waited for it.
                    await CloseAsync();
                }

                _mutex.Release();
            }
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _mutex.WaitAsync();
        _closed = true;
        await CloseAsync();
        _mutex.Release();
    }

    private async Task<DhtMessage> RequestOnceOrTwiceAsync(
        IReadOnlyList<DhtMessage> messages, Func<CancellationToken, ValueTask<PeerStream>> open, CancellationToken cancellationToken)
    {
        if (_stream is not null && _time.GetElapsedTime(_usedAt) <= ReuseTime)
        {
            try
            {
                return await RequestOnceAsync(messages, cancellationToken);
            }
            catch (IOException)
            {
                // The peer may have closed the idle stream; only a failure on a new one counts.
            }
        }

        await CloseAsync();
        _stream = await open(cancellationToken);
        _reader = new LengthPrefixedReader(_stream, DhtMessage.MaxResponseLength);
        return await RequestOnceAsync(messages, cancellationToken);
    }

    private async Task<DhtMessage> RequestOnceAsync(IReadOnlyList<DhtMessage> messages, CancellationToken cancellationToken)
    {
        Debug.Assert(messages.Count > 0 && _stream is not null && _reader is not null, "the stream is open");
        bool complete = false;
        try
        {
            foreach (DhtMessage message in messages)
            {
                await _stream.WriteMessageAsync(message.Encode(), cancellationToken);
            }

            using IMemoryOwner<byte> bytes = await _reader.ReadAsync(cancellationToken)
                ?? throw new EndOfStreamException("the peer closed the stream without an answer");
            if (!DhtMessage.TryDecode(bytes.Memory.Span, out DhtMessage? answer) || answer!.Type != messages[^1].Type)
            {
                throw new IOException("the peer's message is no answer to the request");
            }

            complete = true;
            return answer;
        }
        catch (InvalidDataException e)
        {
            throw new IOException(e.Message, e);
        }
        finally
        {
            Volatile.Write(ref _usedAt, _time.GetTimestamp());
            if (!complete)
            {
                // A late answer to this request must not be taken for one to the next.
                _stream!.Reset();
                await CloseAsync();
            }
        }
    }

    private async ValueTask CloseAsync()
    {
        if (_stream is { } stream)
        {
            (_stream, _reader) = (null, null);
            await stream.DisposeAsync();
        }
    }
}
