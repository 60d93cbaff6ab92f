using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>
/// Blocks by multihash. Thread-safe. Callers hash before <see cref="Put"/>: nothing that fails its hash is ever stored.
/// </summary>
public interface IBlockstore
{
    /// <summary>The largest block taken, in bytes (2 MiB, what Bitswap carries, and room for a dag-pb frame around it).</summary>
    public const int MaxBlockLength = (2 << 20) + 1024;

    /// <summary>True when the block is here.</summary>
    bool Has(in Multihash hash);

    /// <summary>The block's length in bytes, without reading it where the store can.</summary>
    bool TryGetLength(in Multihash hash, out int length);

    /// <summary>The block, exactly as long as it is; null when it is not here. The caller disposes it.</summary>
    IMemoryOwner<byte>? Get(in Multihash hash);

    /// <summary>Stores a block whose hash the caller has checked. Storing it again is nothing new.</summary>
    void Put(in Multihash hash, ReadOnlySpan<byte> data);

    /// <summary>Forgets a block.</summary>
    void Delete(in Multihash hash);

    /// <summary>All blocks, as of the call.</summary>
    IEnumerable<(Multihash Hash, int Length)> Enumerate();
}
