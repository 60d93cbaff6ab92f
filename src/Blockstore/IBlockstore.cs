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
    /// <param name="hash">Its hash.</param>
    /// <param name="data">Its bytes.</param>
    /// <param name="bulk">True for <see cref="Durability.Deferred"/>, false for <see cref="Durability.Logged"/>.</param>
    void Put(in Multihash hash, ReadOnlySpan<byte> data, bool bulk = false);

    /// <summary>True when blocks may lie here as zstd frames (<see cref="PackedBlock"/>): who makes blocks that are worth it packs them for such a store.</summary>
    bool KeepsPacked => false;

    /// <summary>The block's frame as it lies here; null when it is not here, or not as a frame. The caller disposes it.</summary>
    IMemoryOwner<byte>? GetPacked(in Multihash hash) => null;

    /// <summary>Stores a block as a frame which the caller has seen to unpack to what the hash is of. A block that is here already stays as it lies.</summary>
    /// <exception cref="StoreException">It is no frame of a block.</exception>
    void PutPacked(in Multihash hash, ReadOnlySpan<byte> frame, bool bulk = false)
    {
        using IMemoryOwner<byte> block = PackedBlock.TryUnpack(frame) ?? throw new StoreException($"block {hash}: a frame can't be unpacked");
        Put(hash, block.Memory.Span, bulk);
    }

    /// <summary>Stores some blocks as <see cref="Put"/> and <see cref="PutPacked"/> do one by one, where the store can with one write: all of them, or after a failure some.</summary>
    /// <exception cref="StoreException">As theirs.</exception>
    void PutAll(IReadOnlyList<NewBlock> blocks, bool bulk = false)
    {
        foreach (NewBlock block in blocks)
        {
            if (block.Packed)
            {
                PutPacked(block.Hash, block.Data.Span, bulk);
            }
            else
            {
                Put(block.Hash, block.Data.Span, bulk);
            }
        }
    }

    /// <summary>Forgets a block.</summary>
    void Delete(in Multihash hash);

    /// <summary>All blocks, as of the call.</summary>
    IEnumerable<(Multihash Hash, int Length)> Enumerate();
}
