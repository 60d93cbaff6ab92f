using System.Buffers;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Client;
using Ipcs.Dag;
using Ipcs.Multiformats;

namespace Ipcs.Fleet;

/// <summary>A DAG's blocks from here first, and through one Bitswap session else. Owns the session. Thread-safe, but for <see cref="Root"/>.</summary>
/// <param name="session">The session.</param>
/// <param name="urgent">True when a reader waits for each block; false when they come in their own order anyway.</param>
/// <param name="onLongWait">Called with the root each time a block has not come within <see cref="LongWait"/>.</param>
public sealed class BitswapSource(BitswapSession session, bool urgent = true, Action<Cid>? onLongWait = null) : IBlockSource, IAsyncDisposable
{
    /// <summary>How long the connected peers have to send a block before others are looked for.</summary>
    private static readonly TimeSpan LongWait = TimeSpan.FromMilliseconds(200);

    /// <summary>What the blocks are below, and is therefore what others announce; when it is not told, a block that does not come counts as it.</summary>
    public Cid Root { get; set; }

    /// <inheritdoc/>
    public ValueTask<IMemoryOwner<byte>> GetAsync(Cid cid, CancellationToken cancellationToken) =>
        WatchedAsync(cid, session.GetAsync(cid, urgent, cancellationToken));

    /// <inheritdoc/>
    public ValueTask<int> EnsureAsync(Cid cid, CancellationToken cancellationToken) => WatchedAsync(cid, session.EnsureAsync(cid, urgent, cancellationToken));

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => session.DisposeAsync();

    private async ValueTask<T> WatchedAsync<T>(Cid cid, ValueTask<T> answer)
    {
        try
        {
            return onLongWait is null || answer.IsCompleted ? await answer : await WatchedAsync(cid, answer.AsTask());
        }
        catch (BlockUnavailableException e)
        {
            throw new BlockNotFoundException(cid, e.Message);
        }
    }

    private async Task<T> WatchedAsync<T>(Cid cid, Task<T> answer)
    {
        await ((Task)answer).WaitAsync(LongWait).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!answer.IsCompleted)
        {
            onLongWait!(Root.IsDefault ? cid : Root);
        }

        return await answer;
    }
}
