using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>What a collection needs of the blocks of a store.</summary>
internal interface ISweptBlocks
{
    /// <summary>All blocks, as of the call.</summary>
    IEnumerable<(Multihash Hash, int Length)> Enumerate();

    /// <summary>Deletes blocks that the gate keeps everybody else from, in one write. Returns those that were there.</summary>
    List<(Multihash Hash, int Length)> DeleteAll(IReadOnlyList<Multihash> hashes);
}
