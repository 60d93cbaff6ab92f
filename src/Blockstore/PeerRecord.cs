using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>A peer that was connected.</summary>
public sealed record PeerRecord
{
    /// <summary>The peer's ID.</summary>
    public required PeerId Peer { get; init; }

    /// <summary>Its addresses, the best first, without <c>/p2p/</c> and the peer ID at the end.</summary>
    public IReadOnlyList<Multiaddr> Addresses { get; init; } = [];

    /// <summary>When it was last connected.</summary>
    public DateTimeOffset SeenAt { get; init; }
}
