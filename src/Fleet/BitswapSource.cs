using System.Buffers;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Client;
using Ipcs.Dag;
using Ipcs.Multiformats;

namespace Ipcs.Fleet;

/// <summary>
/// The blocks of a DAG, from the store or else through a Bitswap session. Owns the session. Thread-safe, except for <see cref="Root"/>.
/// </summary>
/// <param name="session">The session.</param>
/// <param name="time">The clock of <see cref="LongWait"/>.</param>
/// <param name="onLongWait">Called with the root each time a block has not arrived within <see cref="LongWait.Length"/>.</param>
public sealed class BitswapSource(BitswapSession session, TimeProvider time, Action<Cid>? onLongWait = null)
    : IBlockSource, IAsyncDisposable
{
    /// <summary>The root of the DAG, which providers announce. By default, a block that does not arrive is taken for it.</summary>
    public Cid Root { get; set; }

    /// <inheritdoc/>
    public ValueTask<IMemoryOwner<byte>> GetAsync(Cid cid, CancellationToken cancellationToken) =>
        WatchedAsync(cid, session.GetAsync(cid, urgent: true, cancellationToken));

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => session.DisposeAsync();

    private async ValueTask<T> WatchedAsync<T>(Cid cid, ValueTask<T> answer)
    {
        try
        {
            return await LongWait.ForAsync(answer, Root.IsDefault ? cid : Root, onLongWait, time);
        }
        catch (BlockUnavailableException e)
        {
            throw new BlockNotFoundException(cid, e.Message);
        }
    }
}
