using System.Buffers;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Resolve;

/// <summary>
/// Our questions to one peer, over one stream that stays open, so that an answer is one round trip away. Questions go out one after
/// the other without waiting for answers, which come in the same order. A stream that fails takes its questions with it; the next question
/// opens another.
/// </summary>
internal sealed class ResolveStream(IHost host, PeerId peer) : IAsyncDisposable
{
    /// <summary>Questions without an answer that a peer may have; a peer that is so far behind is not asked more.</summary>
    private const int MaxUnanswered = 64;

    /// <summary>How long one question may be without an answer before the peer counts as hanging and is not waited for.</summary>
    private static readonly TimeSpan HangTime = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a question may take to be sent, the opening of a stream with it.</summary>
    private static readonly TimeSpan SendTime = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Queue<Question> _unanswered = new();
    private PeerStream? _stream;
    private Task _reading = Task.CompletedTask;
    private long _silentSince = long.MaxValue;

    /// <summary>True when the peer owes an answer for longer than is normal.</summary>
    public bool Hangs => Environment.TickCount64 - Interlocked.Read(ref _silentSince) > HangTime.TotalMilliseconds;

    /// <summary>Opens the stream before there is a question.</summary>
    public async Task WarmAsync()
    {
        try
        {
            await SendAsync(null);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // Whoever has a question tries again, and is told.
        }
    }

    /// <summary>Asks; a second time when the stream was lost, since it may have been lost long ago.</summary>
    /// <exception cref="IOException">No answer, or none to the question.</exception>
    public async Task<IReadOnlyList<ResolvedContent>> AskAsync(IReadOnlyList<Digest> digests, CancellationToken cancellationToken)
    {
        try
        {
            return await AskOnceAsync(digests, cancellationToken);
        }
        catch (StreamResetException)
        {
            return await AskOnceAsync(digests, cancellationToken);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        PeerStream? stream;
        lock (_lock)
        {
            stream = _stream;
        }

        if (stream is not null)
        {
            Fail(stream, new IOException($"{peer} is gone"));
        }

        await _reading;
    }

    private async Task<IReadOnlyList<ResolvedContent>> AskOnceAsync(IReadOnlyList<Digest> digests, CancellationToken cancellationToken)
    {
        var question = new Question(digests);
        Task sending = SendAsync(question);
        if (!sending.IsCompletedSuccessfully)
        {
            // Not cut short by the asker: half a question would spoil the stream for the others.
            await sending.WaitAsync(cancellationToken);
        }

        return await question.Answer.Task.WaitAsync(cancellationToken);
    }

    private async Task SendAsync(Question? question)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        limit.CancelAfter(SendTime);
        await _sending.WaitAsync(limit.Token);
        try
        {
            PeerStream stream = _stream ?? await OpenAsync(limit.Token);
            if (question is null)
            {
                return;
            }

            lock (_lock)
            {
                if (_unanswered.Count == MaxUnanswered)
                {
                    throw new IOException($"{peer} has not answered {MaxUnanswered} questions");
                }

                _unanswered.Enqueue(question);
                if (_unanswered.Count == 1)
                {
                    Interlocked.Exchange(ref _silentSince, Environment.TickCount64);
                }
            }

            try
            {
                await stream.WriteMessageAsync(question.Encoded, limit.Token);
            }
            catch (Exception e)
            {
                Fail(stream, e);
                throw;
            }
        }
        finally
        {
            _sending.Release();
        }
    }

    private async Task<PeerStream> OpenAsync(CancellationToken cancellationToken)
    {
        PeerStream stream = await host.OpenStreamAsync(peer, [ResolveService.Protocol], cancellationToken);
        lock (_lock)
        {
            _stream = stream;
        }

        _reading = ReadAsync(stream);
        return stream;
    }

    private async Task ReadAsync(PeerStream stream)
    {
        try
        {
            var reader = new LengthPrefixedReader(stream, ResolveWire.MaxLength);
            while (await reader.ReadAsync(_stop.Token) is { } memory)
            {
                using (memory)
                {
                    Take(memory);
                }
            }

            Fail(stream, new StreamResetException($"{peer} has closed the stream"));
        }
        catch (Exception e)
        {
            // Whatever ends the stream, those who wait are told.
            Fail(stream, e);
        }
    }

    private void Take(IMemoryOwner<byte> memory)
    {
        Question? question;
        lock (_lock)
        {
            if (!_unanswered.TryDequeue(out question))
            {
                throw new InvalidDataException($"{peer} answers what was not asked");
            }

            Interlocked.Exchange(ref _silentSince, _unanswered.Count == 0 ? long.MaxValue : Environment.TickCount64);
        }

        if (!ResolveWire.TryDecodeAnswer(memory.Memory.Span, question.Digests, out List<ResolvedContent> contents))
        {
            var error = new InvalidDataException($"{peer} answers a resolve question with something else");
            question.Answer.TrySetException(error);
            throw error;
        }

        question.Answer.TrySetResult(contents);
    }

    private void Fail(PeerStream stream, Exception reason)
    {
        Question[] lost;
        lock (_lock)
        {
            if (_stream != stream)
            {
                return;
            }

            _stream = null;
            lost = [.. _unanswered];
            _unanswered.Clear();
            Interlocked.Exchange(ref _silentSince, long.MaxValue);
        }

        stream.Reset();
        foreach (Question question in lost)
        {
            question.Answer.TrySetException(new StreamResetException(reason.Message, reason));

            // Its asker may be gone.
            _ = question.Answer.Task.Exception;
        }
    }

    private sealed class Question(IReadOnlyList<Digest> digests)
    {
        public IReadOnlyList<Digest> Digests { get; } = digests;

        public byte[] Encoded { get; } = ResolveWire.EncodeQuestion(digests);

        public TaskCompletionSource<IReadOnlyList<ResolvedContent>> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
