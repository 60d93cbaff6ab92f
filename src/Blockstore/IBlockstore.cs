using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>
/// Blocks by multihash. Thread-safe. Callers hash before <see cref="Put"/>: no block that fails its hash is ever stored.
/// </summary>
public interface IBlockstore
{
    /// <summary>The largest block, in bytes: the 2 MiB that Bitswap carries, and room for a dag-pb node around them.</summary>
    public const int MaxBlockLength = (2 << 20) + 1024;

    /// <summary>True when the block exists.</summary>
    bool Has(in Multihash hash);

    /// <summary>The block's length in bytes. Does not read the block where the store can avoid it.</summary>
    bool TryGetLength(in Multihash hash, out int length);

    /// <summary>The block, of its exact length; null when it does not exist. The caller disposes it.</summary>
    IMemoryOwner<byte>? Get(in Multihash hash);

    /// <summary>Stores a block. Does nothing when the block exists.</summary>
    /// <param name="hash">The block's multihash, which the caller has verified.</param>
    /// <param name="data">The block's bytes.</param>
    /// <param name="bulk">True for <see cref="Durability.Deferred"/>, false for <see cref="Durability.Logged"/>.</param>
    void Put(in Multihash hash, ReadOnlySpan<byte> data, bool bulk = false);

    /// <summary>
    /// True when the store can keep blocks as zstd frames (<see cref="Compression.CompressedBlock"/>). Only then are compressible blocks
    /// compressed before they are stored.
    /// </summary>
    bool KeepsCompressed => false;

    /// <summary>The block's zstd frame; null when the block does not exist or is stored uncompressed. The caller disposes it.</summary>
    IMemoryOwner<byte>? GetCompressed(in Multihash hash) => null;

    /// <summary>
    /// Stores a block as a zstd frame. The caller has verified that it decompresses to the block of this hash. Does nothing when the block
    /// exists, in either form.
    /// </summary>
    /// <exception cref="StoreException">It is not the frame of a block.</exception>
    /// <exception cref="NotSupportedException"><see cref="KeepsCompressed"/> is false.</exception>
    void PutCompressed(in Multihash hash, ReadOnlySpan<byte> frame, bool bulk = false) =>
        throw new NotSupportedException("this store keeps no compressed blocks");

    /// <summary>
    /// Stores blocks as <see cref="Put"/> and <see cref="PutCompressed"/> do, in one write where the store can. After a failure some of
    /// them may be stored.
    /// </summary>
    /// <exception cref="StoreException">As for a single block.</exception>
    void PutAll(IReadOnlyList<NewBlock> blocks, bool bulk = false)
    {
        foreach (NewBlock block in blocks)
        {
            if (block.Compressed)
            {
                PutCompressed(block.Hash, block.Data.Span, bulk);
            }
            else
            {
                Put(block.Hash, block.Data.Span, bulk);
            }
        }
    }

    /// <summary>Deletes a block. Does nothing when it does not exist.</summary>
    void Delete(in Multihash hash);

    /// <summary>All blocks, as of the call.</summary>
    IEnumerable<(Multihash Hash, int Length)> Enumerate();

    /// <summary>
    /// All readable blocks, as of the call. Damaged places of the store's tables are reported; their blocks are left out.
    /// </summary>
    IEnumerable<(Multihash Hash, int Length)> Enumerate(Action<StoreException> onDamage) => Enumerate();
}
