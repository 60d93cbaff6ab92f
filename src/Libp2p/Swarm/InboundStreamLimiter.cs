using System.Diagnostics;
using System.Runtime.InteropServices;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>
/// Counts inbound streams by their negotiated protocol, on the host and of each peer, and refuses those over a limit. Thread-safe.
/// </summary>
internal sealed class InboundStreamLimiter(HostLimits limits)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _protocols = new(StringComparer.Ordinal);
    private readonly Dictionary<(PeerId Peer, string Protocol), int> _peers = [];

    /// <summary>Counts a stream; false when there are too many of its protocol, on the host or of that peer.</summary>
    public bool TryAdd(PeerId peer, string protocol)
    {
        lock (_lock)
        {
            int all = _protocols.GetValueOrDefault(protocol);
            int ofPeer = _peers.GetValueOrDefault((peer, protocol));
            if (all >= limits.MaxInboundStreamsPerProtocol || ofPeer >= limits.MaxInboundStreamsPerPeerAndProtocol)
            {
                return false;
            }

            _protocols[protocol] = all + 1;
            _peers[(peer, protocol)] = ofPeer + 1;
            return true;
        }
    }

    /// <summary>Removes a stream that was counted.</summary>
    public void Remove(PeerId peer, string protocol)
    {
        lock (_lock)
        {
            int all = --CollectionsMarshal.GetValueRefOrNullRef(_protocols, protocol);
            int ofPeer = --CollectionsMarshal.GetValueRefOrNullRef(_peers, (peer, protocol));
            Debug.Assert(ofPeer >= 0 && all >= ofPeer, "a stream is removed once");
            if (ofPeer == 0)
            {
                _peers.Remove((peer, protocol));
            }
        }
    }
}
