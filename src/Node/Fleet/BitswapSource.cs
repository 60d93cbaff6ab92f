using System.Buffers;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Client;
using Ipcs.Dag;
using Ipcs.Multiformats;

namespace Ipcs.Node.Fleet;

/// <summary>A DAG's blocks from here first, and through one Bitswap session else. Owns the session.</summary>
internal sealed class BitswapSource(BitswapSession session) : IBlockSource, IAsyncDisposable
{
    /// <inheritdoc/>
    public async ValueTask<IMemoryOwner<byte>> GetAsync(Cid cid, CancellationToken cancellationToken)
    {
        try
        {
            return await session.GetAsync(cid, cancellationToken);
        }
        catch (BlockUnavailableException e)
        {
            throw new BlockNotFoundException(cid, e.Message);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => session.DisposeAsync();
}
