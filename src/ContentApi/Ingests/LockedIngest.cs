using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Ingests;

/// <summary>
/// One session's hold on a reference. Disposing gives the lock back, with the ingest kept where it is, unless it was committed or discarded.
/// </summary>
internal sealed class LockedIngest(IngestRegistry table, string reference, IDisposable hold) : IAsyncDisposable
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
            ingest.Expect(Digest.Parse(expected).Hash.Code);
            changed = true;
        }
        else if (AlgorithmIn(Ref) is { } code)
        {
            ingest.Expect(code);
        }

        if (changed)
        {
            ingest.Save();
        }

        table.Publish(ingest);
    }

    /// <summary>Makes known where the ingest is.</summary>
    public void Publish() => table.Publish(Ingest);

    /// <summary>Commits the ingest as what <paramref name="change"/> makes of the record there is, and gives the lock back.</summary>
    public ContentRecord Commit(ContentCatalog updates, Digest digest, Func<ContentRecord?, ContentRecord> change)
    {
        ContentRecord record = updates.Commit(digest, Ref, change);

        // From here on it is committed, whatever else may fail: the store has removed the ingest along with it.
        DropIngest();
        table.Committed(Ref);
        Release();
        return record;
    }

    /// <summary>Forgets the ingest and gives the lock back.</summary>
    /// <returns>False when there was none.</returns>
    public bool Discard()
    {
        DropIngest();
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
                // What can't be stored the session has heard of, or doesn't care about any more.
                await ingest.SettleAsync().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                table.Keep(ingest);
                _ingest = null;
            }
        }
        finally
        {
            Release();
        }
    }

    // containerd tells the digest to a commit only, but names its references by it (layer-sha512:...): hashed from the start, a commit needn't.
    private static uint? AlgorithmIn(string reference) =>
        reference.Contains("sha512:", StringComparison.Ordinal) ? Multihash.Sha2_512
        : reference.Contains("sha384:", StringComparison.Ordinal) ? Multihash.Sha2_384
        : null;

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
            table.Closed(this);
            hold.Dispose();
        }
    }
}
