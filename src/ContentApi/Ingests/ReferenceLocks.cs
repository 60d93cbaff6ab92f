namespace Ipcs.ContentApi.Ingests;

/// <summary>A lock per reference, there while somebody holds it or waits.</summary>
internal sealed class ReferenceLocks
{
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    /// <summary>Takes the lock of a reference.</summary>
    /// <returns>What gives it back when disposed; null when it was held all the time.</returns>
    public async ValueTask<IDisposable?> AcquireAsync(string reference, TimeSpan wait, CancellationToken cancellationToken)
    {
        Entry? entry;
        lock (_entries)
        {
            if (!_entries.TryGetValue(reference, out entry))
            {
                entry = new Entry();
                _entries.Add(reference, entry);
            }

            entry.Users++;
        }

        bool taken = false;
        try
        {
            taken = await entry.Semaphore.WaitAsync(wait, cancellationToken);
            return taken ? new LockHandle(this, reference, entry) : null;
        }
        finally
        {
            if (!taken)
            {
                Leave(reference, entry);
            }
        }
    }

    private void Leave(string reference, Entry entry)
    {
        lock (_entries)
        {
            if (--entry.Users == 0)
            {
                _entries.Remove(reference);
                entry.Semaphore.Dispose();
            }
        }
    }

    private sealed class Entry
    {
        public SemaphoreSlim Semaphore { get; } = new(1, 1);

        public int Users { get; set; }
    }

    private sealed class LockHandle(ReferenceLocks owner, string reference, Entry entry) : IDisposable
    {
        private int _disposed;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0)
            {
                entry.Semaphore.Release();
                owner.Leave(reference, entry);
            }
        }
    }
}
