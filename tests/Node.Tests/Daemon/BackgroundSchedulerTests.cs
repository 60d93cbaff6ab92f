using Ipcs.Node.Daemon;

namespace Ipcs.Node.Tests.Daemon;

public sealed class BackgroundSchedulerTests : IDisposable
{
    private readonly BackgroundScheduler _work = new();

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task Its_threads_have_a_lower_priority()
    {
        Assert.Equal(5, await StartAsync(Nice));
        Assert.Equal(Nice(), await Task.Run(Nice));
        Assert.NotEqual(5, Nice());
    }

    [Fact]
    public void The_pool_has_its_threads_before_a_task_could_start_one_of_lower_priority()
    {
        ThreadPool.GetMinThreads(out int before, out int ports);
        int threads = ThreadPool.ThreadCount + 3;
        ThreadPool.SetMinThreads(threads, ports);
        using var work = new BackgroundScheduler();
        Assert.InRange(ThreadPool.ThreadCount, threads, int.MaxValue);
        ThreadPool.SetMinThreads(before, ports);
    }

    [Fact]
    public async Task As_many_tasks_run_at_once_as_there_are_cores()
    {
        int running = 0, most = 0;
        var sync = new Lock();
        using var full = new CountdownEvent(Environment.ProcessorCount);
        await Task.WhenAll(Enumerable.Range(0, 4 * Environment.ProcessorCount).Select(i => StartAsync(() =>
        {
            lock (sync)
            {
                most = Math.Max(most, ++running);
            }

            if (i < Environment.ProcessorCount)
            {
                full.Signal();
                Assert.True(full.Wait(TimeSpan.FromSeconds(20)));
            }

            lock (sync)
            {
                running--;
            }

            return 0;
        })));
        Assert.Equal(Environment.ProcessorCount, most);
    }

    [Fact]
    public async Task A_continuation_runs_on_the_scheduler()
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<int> nice = StartAsync(async () =>
        {
            await gate.Task;
            return Nice();
        }).Unwrap();
        gate.SetResult();
        Assert.Equal(5, await nice);
    }

    [Fact]
    public async Task A_failed_task_does_not_end_its_thread()
    {
        for (int i = 0; i < 2 * Environment.ProcessorCount; i++)
        {
            await Assert.ThrowsAsync<InvalidDataException>(() => StartAsync<int>(() => throw new InvalidDataException()));
        }

        Assert.Equal(1, await StartAsync(() => 1));
    }

    [Fact]
    public async Task Queued_tasks_run_after_disposal()
    {
        using var gate = new ManualResetEventSlim();
        Task<int>[] tasks = [.. Enumerable.Range(0, 3 * Environment.ProcessorCount).Select(i => StartAsync(() =>
        {
            gate.Wait();
            return i;
        }))];
        _work.Dispose();
        gate.Set();
        Assert.Equal(Enumerable.Range(0, tasks.Length), await Task.WhenAll(tasks));
        Assert.Equal(1, await StartAsync(() => 1));
    }

    private Task<T> StartAsync<T>(Func<T> run) => Task.Factory.StartNew(run, CancellationToken.None, TaskCreationOptions.None, _work);

    // https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html, field 19.
    private static int Nice() => int.Parse(File.ReadAllText("/proc/thread-self/stat").Split(") ")[^1].Split(' ')[16]);
}
