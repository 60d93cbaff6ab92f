using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Queries;

/// <summary>What the caller of <see cref="Lookup.Step"/> has to do.</summary>
internal abstract record LookupEffect
{
    private LookupEffect()
    {
    }

    /// <summary>Send a request to this peer, and step the lookup with its answer or failure.</summary>
    public sealed record Ask(DhtPeer Peer) : LookupEffect;

    /// <summary>Cancel the request to this peer.</summary>
    public sealed record GiveUp(PeerId Peer) : LookupEffect;

    /// <summary>The lookup has ended.</summary>
    /// <param name="Closest">The closest peers that answered, the closest first.</param>
    public sealed record Done(IReadOnlyList<DhtPeer> Closest) : LookupEffect;
}
