using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Ipcs.Node.Daemon;

/// <summary>
/// Where blocks that come are hashed and stored: a thread for each core, each a little less favoured by the system's scheduler than the rest of the daemon. On the pool's threads,
/// of which as many run as there is work, an answer to containerd had to wait for its turn among them at each of its steps.
/// </summary>
internal sealed partial class BackgroundScheduler : TaskScheduler, IDisposable
{
    /// <summary>A third of the weight of others (sched(7), the nice value).</summary>
    private const int Nice = 5;

    private readonly BlockingCollection<Task> _tasks = [];

    public BackgroundScheduler()
    {
        for (int i = 0; i < Environment.ProcessorCount; i++)
        {
            new Thread(Run) { IsBackground = true, Name = "ipcs bulk" }.Start();
        }
    }

    /// <inheritdoc/>
    public override int MaximumConcurrencyLevel => Environment.ProcessorCount;

    /// <summary>What is queued is still done, and what comes later by the pool.</summary>
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
            // The daemon ends. What goes on after a wait has nobody whom a failure to go on could be told.
            ThreadPool.UnsafeQueueUserWorkItem(_ => TryExecuteTask(task), null);
        }
    }

    /// <inheritdoc/>
    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => !taskWasPreviouslyQueued && Current == this && TryExecuteTask(task);

    /// <inheritdoc/>
    protected override IEnumerable<Task> GetScheduledTasks() => _tasks.ToArray();

    private void Run()
    {
        _ = setpriority(0, 0, Nice);
        foreach (Task task in _tasks.GetConsumingEnumerable())
        {
            TryExecuteTask(task);
        }
    }

    // Of the calling thread: https://man7.org/linux/man-pages/man2/setpriority.2.html, section BUGS.
    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int setpriority(int which, int who, int priority);
}
