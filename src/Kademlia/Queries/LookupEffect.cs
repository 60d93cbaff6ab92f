using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Queries;

/// <summary>What a lookup wants done.</summary>
internal abstract record LookupEffect
{
    private LookupEffect()
    {
    }

    /// <summary>Ask this peer, and say later that it answered or failed.</summary>
    public sealed record Ask(DhtPeer Peer) : LookupEffect;

    /// <summary>Wait no longer for this peer: its time is over.</summary>
    public sealed record GiveUp(PeerId Peer) : LookupEffect;

    /// <summary>It is over. The peers that answered and are closest, the closest first.</summary>
    public sealed record Done(IReadOnlyList<DhtPeer> Closest) : LookupEffect;
}
