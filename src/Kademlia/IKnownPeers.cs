using Ipcs.Multiformats;

namespace Ipcs.Kademlia;

/// <summary>Remembers the peers of the routing table over a restart.</summary>
public interface IKnownPeers
{
    /// <summary>Those that were saved, who was seen last first; what can't be read is left out.</summary>
    IReadOnlyList<KnownPeer> Load();

    /// <summary>Saves these; of those saved before, at least the ones seen last are kept too, up to a bound of the implementation.</summary>
    void Save(IReadOnlyList<KnownPeer> peers);
}

/// <summary>A peer of the routing table.</summary>
/// <param name="Peer">Who it is.</param>
/// <param name="Addresses">Where it could be dialled.</param>
/// <param name="LastSeen">When it last answered.</param>
public sealed record KnownPeer(PeerId Peer, IReadOnlyList<Multiaddr> Addresses, DateTimeOffset LastSeen);
