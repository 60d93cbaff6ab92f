using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Resolve;

/// <summary>The source of the answers to resolve questions.</summary>
public interface IResolveSource
{
    /// <summary>What this node has of a digest; null when it has nothing. Does not block.</summary>
    /// <param name="digest">The digest.</param>
    /// <param name="asker">The peer that asks; it is about to fetch the content.</param>
    ContentRecord? Resolve(in Digest digest, PeerId asker);

    /// <summary>What this node is getting under a digest; null when it is getting nothing. Does not block.</summary>
    /// <param name="digest">The digest.</param>
    /// <param name="from">The number of chunks that the asker knows.</param>
    /// <param name="most">The maximum number of chunks in the answer.</param>
    GrowingPart? Growing(in Digest digest, int from, int most);
}
