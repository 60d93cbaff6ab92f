using Ipcs.Multiformats;

namespace Ipcs.Fleet;

/// <summary>A wait for blocks after which other providers are searched for.</summary>
internal static class LongWait
{
    /// <summary>How long the connected peers have to send a block.</summary>
    public static readonly TimeSpan Length = TimeSpan.FromMilliseconds(200);

    /// <summary>Waits for an answer, and calls <paramref name="onLongWait"/> once when it takes longer than <see cref="Length"/>.</summary>
    /// <param name="answer">The answer.</param>
    /// <param name="root">The root of the DAG that is waited for.</param>
    /// <param name="onLongWait">Called with the root; null when nothing is to be done.</param>
    /// <param name="time">The clock.</param>
    public static async ValueTask<T> ForAsync<T>(ValueTask<T> answer, Cid root, Action<Cid>? onLongWait, TimeProvider time)
    {
        if (onLongWait is null || answer.IsCompleted)
        {
            return await answer;
        }

        Task<T> waiting = answer.AsTask();
        await ((Task)waiting).WaitAsync(Length, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!waiting.IsCompleted)
        {
            onLongWait(root);
        }

        return await waiting;
    }
}
