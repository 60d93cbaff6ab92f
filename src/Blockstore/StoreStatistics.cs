namespace Ipcs.Blockstore;

/// <summary>Figures of a store. All are exact; none needs a scan of the blocks.</summary>
/// <param name="Blocks">The number of blocks.</param>
/// <param name="BlockBytes">The sum of their uncompressed lengths, in bytes.</param>
/// <param name="Bytes">The size of the store on disk in bytes, including logs and deleted blocks that are not yet compacted.</param>
/// <param name="Contents">The number of contents in the index.</param>
public sealed record StoreStatistics(long Blocks, long BlockBytes, long Bytes, long Contents);
