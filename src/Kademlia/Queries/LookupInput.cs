using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Queries;

/// <summary>An event that a lookup processes.</summary>
internal abstract record LookupInput
{
    private LookupInput()
    {
    }

    /// <summary>The lookup begins, or time has passed.</summary>
    public sealed record Tick : LookupInput
    {
        /// <summary>The only instance.</summary>
        public static Tick Instance { get; } = new();
    }

    /// <summary>A peer answered and named closer peers.</summary>
    public sealed record Answered(PeerId Peer, IReadOnlyList<DhtPeer> Closer) : LookupInput;

    /// <summary>A peer could not be dialled, or its answer is invalid.</summary>
    public sealed record Failed(PeerId Peer) : LookupInput;

    /// <summary>The caller has found what it looks for.</summary>
    public sealed record Enough : LookupInput
    {
        /// <summary>The only instance.</summary>
        public static Enough Instance { get; } = new();
    }
}
