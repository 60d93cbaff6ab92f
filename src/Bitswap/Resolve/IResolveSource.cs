using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Resolve;

/// <summary>Where the answers come from; declared here, wired by Node.</summary>
public interface IResolveSource
{
    /// <summary>What is known of a digest here; null when nothing is.</summary>
    ContentRecord? Resolve(in Digest digest);
}
