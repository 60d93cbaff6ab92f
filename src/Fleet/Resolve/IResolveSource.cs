using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Resolve;

/// <summary>Where the answers come from; declared here, wired by Node.</summary>
public interface IResolveSource
{
    /// <summary>What is known of a digest here; null when nothing is.</summary>
    /// <param name="digest">The digest.</param>
    /// <param name="asker">Who asks: it will soon be fetching it.</param>
    ContentRecord? Resolve(in Digest digest, PeerId asker);
}
