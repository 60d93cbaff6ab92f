using System.Text.Json.Nodes;

namespace Ipcs.ControlApi;

/// <summary>Sends the progress of long work to the client as lines <c>{"progress": TEXT}</c> until the work ends.</summary>
internal static class ProgressStream
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    /// <summary>Runs the work and sends its progress. The work has ended when this returns or throws.</summary>
    /// <param name="request">The request. The work must end when it is aborted.</param>
    /// <param name="time">The clock of the interval between two lines.</param>
    /// <param name="progress">Describes the progress; null when there is none to send.</param>
    /// <param name="work">The work.</param>
    public static async Task<T> RunAsync<T>(ApiRequest request, TimeProvider time, Func<string?> progress, Func<Task<T>> work)
    {
        Task<T> task = Task.Run(work);
        try
        {
            while (await Task.WhenAny(task, Task.Delay(Interval, time, request.Aborted)) != task)
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
