using System.Collections.Concurrent;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Compression;

/// <summary>
/// Reuses native contexts that are costly to create. Keeps at most one idle context per core (a compressor's takes one or two megabytes)
/// and disposes the others on return. Thread-safe.
/// </summary>
internal sealed class ContextPool<T>(Func<T> create)
    where T : class, IDisposable
{
    private readonly ConcurrentStack<T> _idle = new();
    private int _count;

    /// <summary>Takes a context that nobody else uses.</summary>
    public T Take()
    {
        BufferCounts.Rented(typeof(T).Name);
        if (!_idle.TryPop(out T? context))
        {
            return create();
        }

        Interlocked.Decrement(ref _count);
        return context;
    }

    /// <summary>Returns a context that <see cref="Take"/> gave.</summary>
    public void Return(T context)
    {
        BufferCounts.Returned(typeof(T).Name);
        if (Interlocked.Increment(ref _count) <= Environment.ProcessorCount)
        {
            _idle.Push(context);
            return;
        }

        Interlocked.Decrement(ref _count);
        context.Dispose();
    }
}
