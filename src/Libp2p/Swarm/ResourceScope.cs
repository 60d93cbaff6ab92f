using System.Net;
using Ipcs.Libp2p.Muxing;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>
/// The limits that one connection counts against: those of its peer, its network and the host. Disposed when the connection ends.
/// </summary>
internal sealed class ResourceScope(ResourceManager manager, PeerId peer, IPAddress network, ResourceLimit[] memory, ResourceLimit streams)
    : IDisposable
{
    /// <summary>Limits on the bytes in receive buffers: of the peer, of its network and of the host.</summary>
    public ResourceLimit[] Memory => memory;

    /// <summary>The limit on the streams that the peer has open to us.</summary>
    public ResourceLimit Streams => streams;

    /// <inheritdoc/>
    public void Dispose() => manager.Close(peer, network);
}
