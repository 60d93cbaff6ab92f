using System.Diagnostics;

namespace Ipcs.ContentApi.Ingests;

/// <summary>A lock for each reference that somebody has locked or waits for.</summary>
internal sealed class ReferenceLocks(TimeProvider time)
{
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    /// <summary>Locks a reference.</summary>
    /// <returns>Unlocks the reference when disposed; null when the lock was not free within <paramref name="wait"/>.</returns>
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

        bool locked = false;
        try
        {
            locked = entry.Semaphore.Wait(0, CancellationToken.None)
                || (wait > TimeSpan.Zero && await WaitAsync(entry.Semaphore, wait, cancellationToken));
            return locked ? new LockHandle(this, reference, entry) : null;
        }
        finally
        {
            if (!locked)
            {
                Leave(reference, entry);
            }
        }
    }

    private async Task<bool> WaitAsync(SemaphoreSlim semaphore, TimeSpan wait, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(wait, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            await semaphore.WaitAsync(either.Token);
            return true;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }

    private void Leave(string reference, Entry entry)
    {
        lock (_entries)
        {
            Debug.Assert(entry.Users > 0 && _entries.GetValueOrDefault(reference) == entry, "an entry lasts as long as it has users");
            if (--entry.Users == 0)
            {
                Debug.Assert(entry.Semaphore.CurrentCount == 1, "the last user has unlocked the reference");
                _entries.Remove(reference);
                entry.Semaphore.Dispose();
            }
        }
    }

    private sealed class Entry
    {
        public SemaphoreSlim Semaphore { get; } = new(1, 1);

        /// <summary>Those who have the lock or wait for it.</summary>
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
