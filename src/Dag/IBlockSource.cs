using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Dag;

/// <summary>Where a DAG's blocks come from: the local store, or the fleet behind it.</summary>
public interface IBlockSource
{
    /// <summary>The verified block. The caller disposes it. Asking for many at once is how a fetch goes fast.</summary>
    /// <exception cref="BlockNotFoundException">It is not here and nobody who was asked has it.</exception>
    ValueTask<IMemoryOwner<byte>> GetAsync(Cid cid, CancellationToken cancellationToken);

    /// <summary>Sees to it that the block is where the source keeps what it gets, and returns its length; nobody needs its bytes now.</summary>
    /// <exception cref="BlockNotFoundException">It is not here and nobody who was asked has it.</exception>
    async ValueTask<int> EnsureAsync(Cid cid, CancellationToken cancellationToken)
    {
        using IMemoryOwner<byte> block = await GetAsync(cid, cancellationToken);
        return block.Memory.Length;
    }
}

/// <summary>A block that was needed is nowhere to be had.</summary>
public sealed class BlockNotFoundException : IOException
{
    /// <summary>Names the block and says what was tried.</summary>
    public BlockNotFoundException(Cid cid, string tried)
        : base($"block {cid} not found: {tried}") => Cid = cid;

    /// <summary>The block.</summary>
    public Cid Cid { get; }
}

/// <summary>The local store and nothing else.</summary>
public sealed class LocalBlockSource(IBlockstore store) : IBlockSource
{
    /// <inheritdoc/>
    public ValueTask<IMemoryOwner<byte>> GetAsync(Cid cid, CancellationToken cancellationToken) =>
        store.Get(cid.Hash) is { } block
            ? ValueTask.FromResult(block)
            : ValueTask.FromException<IMemoryOwner<byte>>(Missing(cid));

    /// <inheritdoc/>
    public ValueTask<int> EnsureAsync(Cid cid, CancellationToken cancellationToken) =>
        store.TryGetLength(cid.Hash, out int length) ? ValueTask.FromResult(length) : ValueTask.FromException<int>(Missing(cid));

    private static BlockNotFoundException Missing(Cid cid) => new(cid, "not in the local store");
}
