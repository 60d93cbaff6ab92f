using System.Collections.Concurrent;

namespace Ipcs.Blockstore;

/// <summary>
/// Contexts of a library, costly to make and used by one thread at a time. One for each core waits for its next use (one for packing holds a
/// megabyte or two); those over that are given up after it. Thread-safe.
/// </summary>
internal sealed class ContextPool<T>(Func<T> make)
    where T : class, IDisposable
{
    private readonly ConcurrentStack<T> _idle = new();
    private int _count;

    /// <summary>One that nobody else uses.</summary>
    public T Take()
    {
        if (!_idle.TryPop(out T? context))
        {
            return make();
        }

        Interlocked.Decrement(ref _count);
        return context;
    }

    /// <summary>Gives it back.</summary>
    public void Return(T context)
    {
        if (Interlocked.Increment(ref _count) <= Environment.ProcessorCount)
        {
            _idle.Push(context);
            return;
        }

        Interlocked.Decrement(ref _count);
        context.Dispose();
    }
}
