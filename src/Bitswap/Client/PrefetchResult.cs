using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>What has become of a block that was wanted ahead.</summary>
/// <param name="Cid">The block, as it was wanted.</param>
/// <param name="IsLeaf">True when it has just come and <see cref="BitswapOptions.IsLeaf"/> says so of its bytes; false also where nobody has looked.</param>
/// <param name="Failure">Why it is not here; null when it is.</param>
public readonly record struct PrefetchResult(Cid Cid, bool IsLeaf, BlockUnavailableException? Failure = null);
