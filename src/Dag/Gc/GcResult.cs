namespace Ipcs.Dag.Gc;

/// <summary>The result of a garbage collection.</summary>
/// <param name="Blocks">The number of blocks removed.</param>
/// <param name="Bytes">The sum of their lengths in bytes.</param>
/// <param name="Kept">The number of blocks marked as needed.</param>
/// <param name="Deleted">The number of unowned contents whose records were deleted.</param>
public sealed record GcResult(long Blocks, long Bytes, int Kept, int Deleted);
