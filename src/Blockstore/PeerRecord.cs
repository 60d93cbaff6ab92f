using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>A peer that was met.</summary>
public sealed record PeerRecord
{
    /// <summary>Who.</summary>
    public required PeerId Peer { get; init; }

    /// <summary>Where, the best first, without the peer's id at the end.</summary>
    public IReadOnlyList<Multiaddr> Addresses { get; init; } = [];

    /// <summary>When it was connected last.</summary>
    public DateTimeOffset SeenAt { get; init; }
}
