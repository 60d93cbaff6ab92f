using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Queries;

/// <summary>What a lookup knows of a peer.</summary>
internal enum CandidateState
{
    /// <summary>Somebody named it.</summary>
    Heard,

    /// <summary>It has been asked.</summary>
    Asked,

    /// <summary>It has answered.</summary>
    Answered,

    /// <summary>It has not.</summary>
    Failed,
}

/// <summary>A peer in a lookup. Touched only by its <see cref="Lookup"/>.</summary>
internal sealed class Candidate(PeerId peer, KadKey distance)
{
    public PeerId Peer { get; } = peer;

    public KadKey Distance { get; } = distance;

    public List<Multiaddr> Addresses { get; } = [];

    public CandidateState State { get; set; }

    public DateTimeOffset AskedAt { get; set; }

    /// <summary>Adds what another peer says of its addresses, up to the bound.</summary>
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
