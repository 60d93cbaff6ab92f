namespace Ipcs.Kademlia.Tests;

/// <summary>Known peers in memory.</summary>
internal sealed class MemoryKnownPeers : IKnownPeers
{
    private volatile IReadOnlyList<KnownPeer> _peers = [];

    public IReadOnlyList<KnownPeer> Load() => _peers;

    public void Save(IReadOnlyList<KnownPeer> peers) => _peers = peers;
}
