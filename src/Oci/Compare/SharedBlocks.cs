namespace Ipcs.Oci.Compare;

/// <summary>The blocks that all of these images have, and no others.</summary>
/// <param name="Images">The indexes of the images in the list of compared images.</param>
/// <param name="Blocks">The number of distinct blocks.</param>
/// <param name="Bytes">The sum of their lengths, in bytes.</param>
public sealed record SharedBlocks(IReadOnlyList<int> Images, long Blocks, long Bytes);
