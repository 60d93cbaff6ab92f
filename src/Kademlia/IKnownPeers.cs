using Ipcs.Multiformats;

namespace Ipcs.Kademlia;

/// <summary>Stores the peers of the routing table for the next run.</summary>
public interface IKnownPeers
{
    /// <summary>The saved peers, the last seen first. Unreadable entries are left out.</summary>
    IReadOnlyList<KnownPeer> Load();

    /// <summary>Saves peers. Of those saved before, the last seen stay too, up to a bound of the implementation.</summary>
    void Save(IReadOnlyList<KnownPeer> peers);
}

/// <summary>A peer of the routing table.</summary>
/// <param name="Peer">The peer.</param>
/// <param name="Addresses">The addresses at which it could be dialled.</param>
/// <param name="LastSeen">When it last answered.</param>
public sealed record KnownPeer(PeerId Peer, IReadOnlyList<Multiaddr> Addresses, DateTimeOffset LastSeen);
