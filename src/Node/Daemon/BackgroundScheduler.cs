using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Ipcs.Node.Daemon;

/// <summary>
/// Runs the hashing and storing of received blocks on one thread per core, at a lower priority than the rest of the daemon. On the thread
/// pool, which grows with its work, each step of a reply to containerd waited for a processor behind them. The number of queued tasks is
/// bounded by the callers: what is fetched at a time has a bound.
/// </summary>
internal sealed partial class BackgroundScheduler : TaskScheduler, IDisposable
{
    /// <summary>The nice value of the threads (sched(7)): a third of the scheduling weight of other threads.</summary>
    private const int Nice = 5;

    private readonly BlockingCollection<Task> _tasks = [];

    public BackgroundScheduler()
    {
        StartPoolThreads();
        for (int i = 0; i < Environment.ProcessorCount; i++)
        {
            new Thread(Run) { IsBackground = true, Name = "ipcs bulk" }.Start();
        }
    }

    /// <inheritdoc/>
    public override int MaximumConcurrencyLevel => Environment.ProcessorCount;

    /// <summary>Ends the threads when the queued tasks are done. Later tasks run on the thread pool.</summary>
    public void Dispose() => _tasks.CompleteAdding();

    /// <inheritdoc/>
    protected override void QueueTask(Task task)
    {
        try
        {
            _tasks.Add(task);
        }
        catch (InvalidOperationException)
        {
            // Disposed. The continuation of an awaiting method must run, or the method would never complete.
            ThreadPool.UnsafeQueueUserWorkItem(_ => TryExecuteTask(task), null);
        }
    }

    /// <inheritdoc/>
    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) =>
        !taskWasPreviouslyQueued && Current == this && TryExecuteTask(task);

    /// <inheritdoc/>
    protected override IEnumerable<Task> GetScheduledTasks() => _tasks.ToArray();

    /// <summary>
    /// Starts the thread pool's threads. A new thread inherits the nice value of the thread that starts it (sched(7)), which would be one
    /// of this scheduler when its task completes while the pool has too few threads. The pool keeps them: ThreadTimeoutMs in Node.csproj.
    /// </summary>
    private static void StartPoolThreads()
    {
        ThreadPool.GetMinThreads(out int threads, out _);
        threads -= Thread.CurrentThread.IsThreadPoolThread ? 1 : 0;
        using var started = new CountdownEvent(threads);
        Task[] tasks = [.. Enumerable.Range(0, threads).Select(_ => Task.Run(() =>
        {
            started.Signal();
            started.Wait();
        }))];
        started.Wait();
        Task.WaitAll(tasks);
    }

    private void Run()
    {
        _ = setpriority(0, 0, Nice);
        foreach (Task task in _tasks.GetConsumingEnumerable())
        {
            TryExecuteTask(task);
        }
    }

    // Linux applies it to the calling thread: https://man7.org/linux/man-pages/man2/setpriority.2.html, section BUGS.
    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int setpriority(int which, int who, int priority);
}
