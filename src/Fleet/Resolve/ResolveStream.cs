using System.Buffers;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Resolve;

/// <summary>
/// Sends questions to one peer over one stream that stays open, so that an answer takes one round trip. Questions are sent without waiting
/// for the answers, which come in the same order. When the stream fails, its questions fail; the next question opens another stream.
/// </summary>
internal sealed class ResolveStream(IHost host, PeerId peer, TimeProvider time) : IAsyncDisposable
{
    /// <summary>The maximum number of unanswered questions per peer. Over that a question fails at once.</summary>
    private const int MaxUnanswered = 64;

    /// <summary>How long a question may be unanswered before the peer counts as hanging.</summary>
    private static readonly TimeSpan HangTime = TimeSpan.FromMilliseconds(500);

    /// <summary>How long sending a question may take, including the opening of a stream.</summary>
    private static readonly TimeSpan SendTime = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Queue<Question> _unanswered = new();
    private PeerStream? _stream;
    private Task _reading = Task.CompletedTask;
    private long _silentSince = long.MaxValue;

    /// <summary>True when the peer has not answered a question for <see cref="HangTime"/>.</summary>
    public bool Hangs => Interlocked.Read(ref _silentSince) is var since && since != long.MaxValue && time.GetElapsedTime(since) > HangTime;

    /// <summary>Opens the stream before the first question. Never throws.</summary>
    public async Task WarmAsync()
    {
        try
        {
            await SendAsync(null);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // The first question opens a stream again, and reports the failure.
        }
    }

    /// <summary>Asks. When the stream is lost, it may have been lost long before, so the question is sent once more.</summary>
    /// <exception cref="IOException">The peer does not answer, or its answer does not belong to the question.</exception>
    public async Task<ResolveAnswer> AskAsync(IReadOnlyList<ResolveQuestion> questions, CancellationToken cancellationToken)
    {
        try
        {
            return await AskOnceAsync(questions, cancellationToken);
        }
        catch (StreamResetException)
        {
            return await AskOnceAsync(questions, cancellationToken);
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
            Fail(stream, new IOException($"{peer} has disconnected"));
        }

        await _reading;
    }

    private async Task<ResolveAnswer> AskOnceAsync(IReadOnlyList<ResolveQuestion> questions, CancellationToken cancellationToken)
    {
        var question = new Question(questions);
        Task sending = SendAsync(question);
        if (!sending.IsCompletedSuccessfully)
        {
            // The caller's token does not end the sending: half a question would break the stream for the other callers.
            await sending.WaitAsync(cancellationToken);
        }

        return await question.Answer.Task.WaitAsync(cancellationToken);
    }

    private async Task SendAsync(Question? question)
    {
        using var limit = new Deadline(time, SendTime, _stop.Token);
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
                    Interlocked.Exchange(ref _silentSince, time.GetTimestamp());
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
        PeerStream stream = await host.OpenStreamAsync(peer, ResolveService.Protocols, cancellationToken);
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
            // Whatever ended the stream, the callers that wait get the failure.
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
                throw new InvalidDataException($"{peer} has sent an answer without a question");
            }

            Interlocked.Exchange(ref _silentSince, _unanswered.Count == 0 ? long.MaxValue : time.GetTimestamp());
        }

        if (!ResolveWire.TryDecodeAnswer(memory.Memory.Span, question.Digests, out ResolveAnswer answer))
        {
            var error = new InvalidDataException($"the answer of {peer} does not belong to the resolve question");
            question.Answer.TrySetException(error);
            throw error;
        }

        question.Answer.TrySetResult(answer);
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

            // Observed here, since its caller may have stopped waiting.
            _ = question.Answer.Task.Exception;
        }
    }

    private sealed class Question(IReadOnlyList<ResolveQuestion> questions)
    {
        public IReadOnlyList<Digest> Digests { get; } = [.. questions.Select(q => q.Digest)];

        public byte[] Encoded { get; } = ResolveWire.EncodeQuestion(questions);

        public TaskCompletionSource<ResolveAnswer> Answer { get; } =
            new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
