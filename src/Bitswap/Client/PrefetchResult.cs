using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>The result of a prefetched block.</summary>
/// <param name="Cid">The CID that was passed to Prefetch.</param>
/// <param name="IsLeaf">The result of <see cref="BitswapOptions.IsLeaf"/> for a received block; false for a stored one.</param>
/// <param name="Failure">Why the block could not be fetched; null when it is stored.</param>
/// <param name="Block">
/// The stored block's bytes, when they are still in memory and the session shares blocks. Whoever reads the result disposes them soon.
/// </param>
public readonly record struct PrefetchResult(
    Cid Cid, bool IsLeaf, BlockUnavailableException? Failure = null, IMemoryOwner<byte>? Block = null);
