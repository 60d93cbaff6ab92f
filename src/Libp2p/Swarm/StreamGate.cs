using System.Runtime.InteropServices;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>Counts inbound streams whose protocol is agreed on: of each protocol, and of each protocol from each peer. Thread-safe.</summary>
internal sealed class StreamGate(HostLimits limits)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _protocols = new(StringComparer.Ordinal);
    private readonly Dictionary<(PeerId Peer, string Protocol), int> _peers = [];

    /// <summary>Counts a stream; false when there are too many.</summary>
    public bool TryEnter(PeerId peer, string protocol)
    {
        lock (_lock)
        {
            int all = _protocols.GetValueOrDefault(protocol);
            int own = _peers.GetValueOrDefault((peer, protocol));
            if (all >= limits.MaxInboundStreamsPerProtocol || own >= limits.MaxInboundStreamsPerPeerAndProtocol)
            {
                return false;
            }

            _protocols[protocol] = all + 1;
            _peers[(peer, protocol)] = own + 1;
            return true;
        }
    }

    /// <summary>A stream that was counted is over.</summary>
    public void Leave(PeerId peer, string protocol)
    {
        lock (_lock)
        {
            CollectionsMarshal.GetValueRefOrNullRef(_protocols, protocol)--;
            ref int own = ref CollectionsMarshal.GetValueRefOrNullRef(_peers, (peer, protocol));
            if (--own == 0)
            {
                _peers.Remove((peer, protocol));
            }
        }
    }
}
