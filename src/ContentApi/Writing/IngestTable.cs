using System.Collections.Concurrent;
using Ipcs.Blockstore;
using Ipcs.Dag.Import;

namespace Ipcs.ContentApi.Writing;

/// <summary>
/// The writes under way, each behind the lock of its reference. Whoever finds a reference locked waits up to a second: a client's close
/// is only half a close, and it opens the same reference again at once. Owns the open ingests.
/// </summary>
internal sealed class IngestTable(IStore store, ImportProfile profile, TimeProvider time)
{
    /// <summary>The most writes open at once; containerd has a handful.</summary>
    private const int MaxOpen = 1024;

    private static readonly TimeSpan LockTime = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, Ingest> _open = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (SemaphoreSlim Turn, int Users)> _locks = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();

    /// <summary>Opens the write of a reference and holds its lock.</summary>
    public async Task<Ingest> OpenAsync(string reference, long total, string expected, CancellationToken cancellationToken)
    {
        if (_open.Count >= MaxOpen)
        {
            throw Errors.Unavailable($"{MaxOpen} writes are open already");
        }

        await LockAsync(reference, cancellationToken);
        try
        {
            Ingest ingest = Ingest.Open(store, profile, time, reference, total, expected);
            ingest.Describe(total, expected);
            _open[reference] = ingest;
            return ingest;
        }
        catch
        {
            Unlock(reference);
            throw;
        }
    }

    /// <summary>Lets go of a write; with <paramref name="save"/> it can be resumed where it is.</summary>
    public void Close(Ingest ingest, bool save)
    {
        string reference = ingest.Record.Ref;
        try
        {
            if (save)
            {
                ingest.Save();
            }
        }
        finally
        {
            _open.TryRemove(reference, out _);
            ingest.Dispose();
            Unlock(reference);
        }
    }

    /// <summary>Forgets a write. False when there is none.</summary>
    public async Task<bool> AbortAsync(string reference, CancellationToken cancellationToken)
    {
        await LockAsync(reference, cancellationToken);
        try
        {
            return store.Ingests.Delete(reference);
        }
        finally
        {
            Unlock(reference);
        }
    }

    /// <summary>What is known of a write; null when there is none.</summary>
    public IngestRecord? Find(string reference) => _open.TryGetValue(reference, out Ingest? ingest) ? ingest.Record : store.Ingests.Get(reference);

    /// <summary>All writes, open and interrupted.</summary>
    public IEnumerable<IngestRecord> All() => store.Ingests.Enumerate().Select(r => Find(r.Ref) ?? r);

    private async Task LockAsync(string reference, CancellationToken cancellationToken)
    {
        SemaphoreSlim turn;
        lock (_lock)
        {
            (SemaphoreSlim Turn, int Users) entry = _locks.GetValueOrDefault(reference, (new SemaphoreSlim(1, 1), 0));
            turn = entry.Turn;
            _locks[reference] = (turn, entry.Users + 1);
        }

        bool taken = false;
        try
        {
            taken = await turn.WaitAsync(LockTime, cancellationToken);
        }
        finally
        {
            if (!taken)
            {
                Forget(reference);
            }
        }

        if (!taken)
        {
            throw Errors.Unavailable($"ref {reference} is locked");
        }
    }

    private void Unlock(string reference)
    {
        lock (_lock)
        {
            _locks[reference].Turn.Release();
        }

        Forget(reference);
    }

    private void Forget(string reference)
    {
        lock (_lock)
        {
            (SemaphoreSlim turn, int users) = _locks[reference];
            if (users == 1)
            {
                _locks.Remove(reference);
            }
            else
            {
                _locks[reference] = (turn, users - 1);
            }
        }
    }
}
