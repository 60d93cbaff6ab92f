using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Gc;

/// <summary>The operations on a store's blocks that a garbage collection needs.</summary>
internal interface ISweptBlocks
{
    /// <summary>All blocks, as of the call.</summary>
    IEnumerable<(Multihash Hash, int Length)> Enumerate();

    /// <summary>
    /// Deletes blocks in one write; the caller excludes all other users of them by <see cref="GcBarrier"/>. Returns those that existed.
    /// </summary>
    List<(Multihash Hash, int Length)> DeleteAll(IReadOnlyList<Multihash> hashes);
}
