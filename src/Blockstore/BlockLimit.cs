using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>What no store takes as a block.</summary>
internal static class BlockLimit
{
    /// <summary>Refuses such a block.</summary>
    /// <exception cref="ArgumentException">The hash is the default value.</exception>
    /// <exception cref="StoreException">The block is too long.</exception>
    public static void Check(in Multihash hash, int length)
    {
        if (hash.IsDefault)
            throw new ArgumentException("the default value is no hash", nameof(hash));
        if (length > IBlockstore.MaxBlockLength)
            throw new StoreException($"a block of {length} bytes is longer than {IBlockstore.MaxBlockLength}");
    }

    /// <summary>The length of the block in a frame.</summary>
    /// <exception cref="StoreException">It is no frame of a block.</exception>
    public static int LengthOf(in Multihash hash, ReadOnlySpan<byte> frame) => PackedBlock.TryGetLength(frame, out int length)
        ? length
        : throw new StoreException($"block {hash}: a frame is none of a block");
}
