using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Queries;

/// <summary>The state of a peer in a lookup.</summary>
internal enum CandidateState
{
    /// <summary>Another peer named it.</summary>
    Heard,

    /// <summary>A request to it is under way.</summary>
    Asked,

    /// <summary>It answered.</summary>
    Answered,

    /// <summary>The request failed or timed out.</summary>
    Failed,
}

/// <summary>A peer in a lookup, changed only by its <see cref="Lookup"/>.</summary>
internal sealed class Candidate(PeerId peer, KadKey distance)
{
    public PeerId Peer { get; } = peer;

    public KadKey Distance { get; } = distance;

    public List<Multiaddr> Addresses { get; } = [];

    public CandidateState State { get; set; }

    public DateTimeOffset AskedAt { get; set; }

    /// <summary>Adds addresses that another peer sent, up to <see cref="DhtPeer.MaxAddresses"/>.</summary>
    public void AddAddresses(IReadOnlyList<Multiaddr> addresses)
    {
        foreach (Multiaddr address in addresses)
        {
            if (Addresses.Count < DhtPeer.MaxAddresses && !Addresses.Contains(address))
            {
                Addresses.Add(address);
            }
        }
    }

    public DhtPeer ToPeer() => new(Peer, [.. Addresses]);
}
