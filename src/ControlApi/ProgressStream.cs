using System.Text.Json.Nodes;

namespace Ipcs.ControlApi;

/// <summary>Work that takes a while: its progress goes to the client as lines <c>{"progress": TEXT}</c> until it is done.</summary>
internal static class ProgressStream
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    /// <summary>Does the work, telling how far it is. When this returns or throws, the work has ended.</summary>
    public static async Task<T> RunAsync<T>(ApiRequest request, Func<string?> progress, Func<Task<T>> work)
    {
        Task<T> task = Task.Run(work);
        try
        {
            while (await Task.WhenAny(task, Task.Delay(Interval, request.Aborted)) != task)
            {
                request.Aborted.ThrowIfCancellationRequested();
                if (progress() is { } text)
                {
                    await request.LineAsync(new JsonObject { ["progress"] = text });
                }
            }
        }
        finally
        {
            await ((Task)task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return await task;
    }
}
