using System.Buffers;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Client;
using Ipcs.Dag;
using Ipcs.Multiformats;

namespace Ipcs.Node.Fleet;

/// <summary>A DAG's blocks from here first, and through one Bitswap session else. Owns the session.</summary>
/// <param name="session">The session.</param>
/// <param name="urgent">True when a reader waits for each block; false when they come in their own order anyway.</param>
/// <param name="onEnd">Called once it is disposed.</param>
internal sealed class BitswapSource(BitswapSession session, bool urgent = true, Action? onEnd = null) : IBlockSource, IAsyncDisposable
{
    /// <inheritdoc/>
    public async ValueTask<IMemoryOwner<byte>> GetAsync(Cid cid, CancellationToken cancellationToken)
    {
        try
        {
            return await session.GetAsync(cid, urgent, cancellationToken);
        }
        catch (BlockUnavailableException e)
        {
            throw new BlockNotFoundException(cid, e.Message);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        onEnd?.Invoke();
        return session.DisposeAsync();
    }
}
