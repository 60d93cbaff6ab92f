namespace Ipcs.Libp2p;

/// <summary>Holds background tasks until they end, so that disposal can wait for them. Thread-safe.</summary>
public sealed class TaskTracker
{
    private readonly Lock _lock = new();
    private readonly HashSet<Task> _tasks = [];

    /// <summary>The number of tasks that have not ended.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _tasks.Count;
            }
        }
    }

    /// <summary>Holds a task until it ends.</summary>
    public void Add(Task task)
    {
        if (task.IsCompleted)
        {
            return;
        }

        lock (_lock)
        {
            _tasks.Add(task);
        }

        task.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(() => Remove(task));
    }

    /// <summary>Waits until no task is left, including those added meanwhile. Failures of the tasks are ignored.</summary>
    public async Task WhenAllAsync()
    {
        while (true)
        {
            Task[] tasks;
            lock (_lock)
            {
                tasks = [.. _tasks];
            }

            if (tasks.Length == 0)
            {
                return;
            }

            await Task.WhenAll(tasks).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Array.ForEach(tasks, Remove);
        }
    }

    private void Remove(Task task)
    {
        lock (_lock)
        {
            _tasks.Remove(task);
        }
    }
}
