using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Ingests;

/// <summary>
/// One session's hold on a reference. Disposing gives the lock back, with the ingest kept where it is, unless it was committed or discarded.
/// </summary>
internal sealed class IngestLease(IngestTable table, string reference, IDisposable hold) : IDisposable
{
    private readonly CancellationTokenSource _abort = new();
    private volatile Ingest? _ingest;
    private bool _released;

    public string Ref { get; } = reference;

    /// <summary>Cancelled when another client aborts the ingest.</summary>
    public CancellationToken Aborted => _abort.Token;

    /// <summary>The ingest, while the session has it.</summary>
    public Ingest? Live => _ingest;

    /// <summary>The ingest.</summary>
    public Ingest Ingest => _ingest ?? throw new InvalidOperationException("the session has no ingest");

    /// <summary>Gets the ingest that the reference has, or a new one, and writes it down.</summary>
    public void Open(long total, string expected)
    {
        Ingest ingest = table.Load(Ref, total);
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
            ingest.Expect(Digest.Parse(expected));
            changed = true;
        }

        if (changed)
        {
            ingest.Save(withTail: true);
        }

        table.Publish(ingest);
    }

    /// <summary>Makes known where the ingest is.</summary>
    public void Publish() => table.Publish(Ingest);

    /// <summary>Commits the ingest as what <paramref name="change"/> makes of the record there is, and gives the lock back.</summary>
    public ContentRecord Commit(ContentUpdates updates, Digest digest, Func<ContentRecord?, ContentRecord> change)
    {
        ContentRecord record = updates.Commit(digest, Ref, change);
        Discard();
        return record;
    }

    /// <summary>Forgets the ingest and gives the lock back.</summary>
    /// <returns>False when there was none.</returns>
    public bool Discard()
    {
        Ingest? ingest = _ingest;
        _ingest = null;
        ingest?.Dispose();
        try
        {
            return table.Forget(Ref);
        }
        finally
        {
            Release();
        }
    }

    /// <summary>Ends the session from outside.</summary>
    public void SignalAbort() => _abort.Cancel();

    public void Dispose()
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
                table.Keep(ingest);
                _ingest = null;
            }
        }
        finally
        {
            Release();
        }
    }

    private void Release()
    {
        if (!_released)
        {
            _released = true;
            table.Closed(this);
            hold.Dispose();
        }
    }
}
