using System.Diagnostics;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Ingests;

/// <summary>
/// A reference that one session has locked, and its ingest. Disposal unlocks the reference and suspends the ingest for a later session,
/// unless it was committed or discarded.
/// </summary>
internal sealed class LockedIngest(IngestRegistry registry, string reference, IDisposable handle) : IAsyncDisposable
{
    private readonly CancellationTokenSource _abort = new();
    private volatile Ingest? _ingest;
    private volatile bool _isWaiting;
    private TaskCompletionSource? _nextRequest;
    private bool _released;

    /// <summary>The reference.</summary>
    public string Ref { get; } = reference;

    /// <summary>Cancelled when another client aborts the ingest.</summary>
    public CancellationToken Aborted => _abort.Token;

    /// <summary>
    /// True while the session waits for the fleet, and when the fleet has given the whole: another session is refused at once, since it
    /// would wait with containerd's metadata locked.
    /// </summary>
    public bool IsWaiting
    {
        get => _isWaiting;
        set => _isWaiting = value;
    }

    /// <summary>
    /// Completes with the session's next request: the client is there, and has not just closed the session. For any thread.
    /// </summary>
    public Task NextRequest
    {
        get
        {
            var next = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return (Interlocked.CompareExchange(ref _nextRequest, next, null) ?? next).Task;
        }
    }

    /// <summary>True while another session waits for this one's end.</summary>
    public bool IsAwaited => Volatile.Read(ref _nextRequest) is not null;

    /// <summary>The ingest; null before <see cref="Open"/> and after the commit. For any thread.</summary>
    public Ingest? Current => _ingest;

    /// <summary>The ingest of the session.</summary>
    public Ingest Ingest => _ingest ?? throw new InvalidOperationException("the session has no ingest");

    /// <summary>Resumes the ingest of the reference, or begins one and stores its record.</summary>
    public void Open(long total, string expected)
    {
        Debug.Assert(!_released && _ingest is null, "a session opens its ingest once, with the reference locked");
        Ingest ingest = registry.Load(Ref, total);
        _ingest = ingest;
        bool changed = ingest.Offset == 0;
        if (total > 0 && ingest.Total == 0)
        {
            ingest.Total = total;
            changed = true;
        }

        if (expected.Length > 0)
        {
            ingest.Expected = expected;
            ingest.Expect(Digest.Parse(expected).Hash.Code);
            changed = true;
        }
        else if (Reference.AlgorithmOf(Ref) is { } code)
        {
            // containerd sends the digest with the commit only. Hashing with its algorithm from the start saves reading the bytes back
            // then.
            ingest.Expect(code);
        }

        if (changed)
        {
            ingest.Save();
        }

        registry.Publish(ingest);
    }

    /// <summary>Makes the state of the ingest visible to Status.</summary>
    public void Publish() => registry.Publish(Ingest);

    /// <summary>
    /// Commits the ingest with the record that <paramref name="change"/> makes of the one in the index, and unlocks the reference.
    /// </summary>
    public ContentRecord Commit(ContentCatalog catalog, Digest digest, Func<ContentRecord?, ContentRecord> change)
    {
        Debug.Assert(!_released, "only the session that has the lock commits");
        ContentRecord record = catalog.Commit(digest, Ref, change);

        // The store has removed the record of the ingest in the same batch: nothing from here on may fail the commit.
        DropIngest();
        registry.RemoveCommitted(Ref);
        Release();
        return record;
    }

    /// <summary>Deletes the ingest and unlocks the reference.</summary>
    /// <returns>False when there was no ingest.</returns>
    public bool Discard()
    {
        DropIngest();
        try
        {
            return registry.Delete(Ref);
        }
        finally
        {
            Release();
        }
    }

    /// <summary>The client has sent a request.</summary>
    public void Requested() => Interlocked.Exchange(ref _nextRequest, null)?.TrySetResult();

    /// <summary>Ends the session from another call.</summary>
    public void SignalAbort() => _abort.Cancel();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_released)
        {
            return;
        }

        Ingest? ingest = _ingest;
        try
        {
            if (ingest is not null)
            {
                // The session has reported a failure to store, or has ended without a further call.
                await ingest.DrainAsync().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                registry.Suspend(ingest);
                _ingest = null;
            }
        }
        finally
        {
            Release();
        }
    }

    private void DropIngest()
    {
        Ingest? ingest = _ingest;
        _ingest = null;
        ingest?.Dispose();
    }

    private void Release()
    {
        if (!_released)
        {
            _released = true;
            registry.Close(this);
            handle.Dispose();
        }
    }
}
