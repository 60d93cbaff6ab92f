using System.Net;
using Ipcs.Libp2p.Muxing;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>One connection's part in what its peer, its network and all together may hold. Disposed when the connection ends.</summary>
internal sealed class Share(Shares owner, PeerId peer, IPAddress network, Budget[] memory, Budget streams) : IDisposable
{
    /// <summary>Bytes that wait to be read: of the peer, of its network, and of all.</summary>
    public Budget[] Memory => memory;

    /// <summary>Streams that the peer has open to us.</summary>
    public Budget Streams => streams;

    /// <inheritdoc/>
    public void Dispose() => owner.Return(peer, network);
}
