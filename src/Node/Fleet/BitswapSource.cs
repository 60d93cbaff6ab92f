using System.Buffers;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Client;
using Ipcs.Dag;
using Ipcs.Multiformats;

namespace Ipcs.Node.Fleet;

/// <summary>A DAG's blocks from here first, and through one Bitswap session else. Owns the session. Thread-safe, but for <see cref="Root"/>.</summary>
/// <param name="session">The session.</param>
/// <param name="urgent">True when a reader waits for each block; false when they come in their own order anyway.</param>
/// <param name="onWait">Called with the root and a block of it, once for each root, when that block is the first that is not here.</param>
/// <param name="onEnd">Called once it is disposed.</param>
internal sealed class BitswapSource(BitswapSession session, bool urgent = true, Action<Cid, Cid>? onWait = null, Action? onEnd = null)
    : IBlockSource, IAsyncDisposable
{
    private int _waits;

    /// <summary>What the blocks are below, and is therefore what others announce; when it is not told, the first block that is not here counts as it.</summary>
    public Cid Root
    {
        get;
        set
        {
            field = value;
            _waits = 0;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IMemoryOwner<byte>> GetAsync(Cid cid, CancellationToken cancellationToken)
    {
        try
        {
            ValueTask<IMemoryOwner<byte>> block = session.GetAsync(cid, urgent, cancellationToken);
            if (!block.IsCompleted && Interlocked.Exchange(ref _waits, 1) == 0)
            {
                onWait?.Invoke(Root.IsDefault ? cid : Root, cid);
            }

            return await block;
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
