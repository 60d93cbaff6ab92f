namespace Ipcs.Blockstore;

/// <summary>Figures of a store. All are exact and none needs a scan of the blocks.</summary>
/// <param name="Blocks">How many blocks there are.</param>
/// <param name="BlockBytes">How long they are together, in bytes.</param>
/// <param name="Bytes">What the store takes on disk, logs and what is yet to be compacted included, in bytes.</param>
/// <param name="Contents">How many contents the index has.</param>
public sealed record StoreStatistics(long Blocks, long BlockBytes, long Bytes, long Contents);
