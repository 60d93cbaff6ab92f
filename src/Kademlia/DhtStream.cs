using System.Buffers;
using Ipcs.Kademlia.Wire;
using Ipcs.Libp2p;

namespace Ipcs.Kademlia;

/// <summary>
/// One stream to one peer for our questions, one after the other. It is kept a few seconds for the next question (js-libp2p ends a connection that opens
/// more than five mplex streams a second) and no longer (its server ends a stream that is silent for ten).
/// </summary>
internal sealed class DhtStream : IAsyncDisposable
{
    /// <summary>How long a silent stream is used again.</summary>
    public static readonly TimeSpan KeepTime = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _gate = new(1);
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

    /// <summary>True when nobody uses it or waits for it, and it has been silent for too long.</summary>
    public bool IsIdle => Volatile.Read(ref _waiting) == 0 && _time.GetElapsedTime(Volatile.Read(ref _usedAt)) > KeepTime;

    /// <summary>Sends messages in one go and reads the answer to the last of them; the others must be such as have none.</summary>
    /// <exception cref="IOException">The peer is gone, reset the stream, or answered with something else.</exception>
    public async Task<DhtMessage> RequestAsync(IReadOnlyList<DhtMessage> messages, Func<CancellationToken, ValueTask<PeerStream>> open, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _waiting);
        try
        {
            await _gate.WaitAsync(cancellationToken);
            try
            {
                return await RequestOnceOrTwiceAsync(messages, open, cancellationToken);
            }
            finally
            {
                if (_closed)
                {
                    // It was swept away just as this question began.
                    await CloseAsync();
                }

                _gate.Release();
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
        await _gate.WaitAsync();
        _closed = true;
        await CloseAsync();
        _gate.Release();
    }

    private async Task<DhtMessage> RequestOnceOrTwiceAsync(IReadOnlyList<DhtMessage> messages, Func<CancellationToken, ValueTask<PeerStream>> open, CancellationToken cancellationToken)
    {
        if (_stream is not null && _time.GetElapsedTime(_usedAt) <= KeepTime)
        {
            try
            {
                return await RequestOnceAsync(messages, cancellationToken);
            }
            catch (IOException)
            {
                // The peer may have closed it as we began to write; on a new stream the failure would be a real one.
            }
        }

        await CloseAsync();
        _stream = await open(cancellationToken);
        _reader = new LengthPrefixedReader(_stream, DhtMessage.MaxResponseLength);
        return await RequestOnceAsync(messages, cancellationToken);
    }

    private async Task<DhtMessage> RequestOnceAsync(IReadOnlyList<DhtMessage> messages, CancellationToken cancellationToken)
    {
        bool whole = false;
        try
        {
            foreach (DhtMessage message in messages)
            {
                await _stream!.WriteMessageAsync(message.Encode(), cancellationToken);
            }

            using IMemoryOwner<byte> bytes = await _reader!.ReadAsync(cancellationToken) ?? throw new EndOfStreamException("the peer closed the stream without an answer");
            if (!DhtMessage.TryDecode(bytes.Memory.Span, out DhtMessage? answer) || answer!.Type != messages[^1].Type)
            {
                throw new IOException("the answer is not one to the question");
            }

            whole = true;
            return answer;
        }
        catch (InvalidDataException e)
        {
            throw new IOException(e.Message, e);
        }
        finally
        {
            Volatile.Write(ref _usedAt, _time.GetTimestamp());
            if (!whole)
            {
                // What is left in it belongs to this question.
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
