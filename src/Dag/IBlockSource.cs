using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Dag;

/// <summary>A source of blocks: the local store, with or without the fleet behind it.</summary>
public interface IBlockSource
{
    /// <summary>Gets a block whose hash has been verified. The caller disposes it. Concurrent calls make a fetch fast.</summary>
    /// <exception cref="BlockNotFoundException">Neither the store nor any peer asked has the block.</exception>
    ValueTask<IMemoryOwner<byte>> GetAsync(Cid cid, CancellationToken cancellationToken);
}

/// <summary>A block that is needed cannot be found.</summary>
public sealed class BlockNotFoundException : IOException
{
    /// <summary>Creates an exception whose message names the block and the sources tried.</summary>
    public BlockNotFoundException(Cid cid, string tried, Exception? inner = null)
        : base($"block {cid} not found: {tried}", inner) => Cid = cid;

    /// <summary>The block.</summary>
    public Cid Cid { get; }
}

/// <summary>The local store alone.</summary>
public sealed class LocalBlockSource(IBlockstore store) : IBlockSource
{
    /// <inheritdoc/>
    public ValueTask<IMemoryOwner<byte>> GetAsync(Cid cid, CancellationToken cancellationToken) =>
        store.Get(cid.Hash) is { } block
            ? ValueTask.FromResult(block)
            : ValueTask.FromException<IMemoryOwner<byte>>(new BlockNotFoundException(cid, "not in the local store"));
}
