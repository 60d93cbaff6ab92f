using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Queries;

/// <summary>What happens to a lookup.</summary>
internal abstract record LookupInput
{
    private LookupInput()
    {
    }

    /// <summary>It begins, or time has passed.</summary>
    public sealed record Tick : LookupInput
    {
        /// <summary>The only one.</summary>
        public static Tick Instance { get; } = new();
    }

    /// <summary>A peer answered and named others.</summary>
    public sealed record Answered(PeerId Peer, IReadOnlyList<DhtPeer> Closer) : LookupInput;

    /// <summary>A peer could not be asked or did not answer as it should.</summary>
    public sealed record Failed(PeerId Peer) : LookupInput;

    /// <summary>What was looked for has been found.</summary>
    public sealed record Enough : LookupInput
    {
        /// <summary>The only one.</summary>
        public static Enough Instance { get; } = new();
    }
}
