using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>Checks the arguments that every store refuses.</summary>
internal static class BlockLimit
{
    /// <summary>Checks the hash and the length of a block to be stored.</summary>
    /// <exception cref="ArgumentException">The hash is the default value.</exception>
    /// <exception cref="StoreException">The block is too long.</exception>
    public static void Check(in Multihash hash, int length)
    {
        if (hash.IsDefault)
        {
            throw new ArgumentException("the default value is no hash", nameof(hash));
        }

        if (length > IBlockstore.MaxBlockLength)
        {
            throw new StoreException($"a block of {length} bytes is longer than {IBlockstore.MaxBlockLength}");
        }
    }
}
