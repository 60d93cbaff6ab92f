using System.Runtime.InteropServices;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>Counts inbound streams: in all, of each protocol, and of each protocol from each peer. Thread-safe.</summary>
internal sealed class StreamGate(HostLimits limits)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _protocols = new(StringComparer.Ordinal);
    private readonly Dictionary<(PeerId Peer, string Protocol), int> _peers = [];
    private int _all;

    /// <summary>Open inbound streams.</summary>
    public int Count => Volatile.Read(ref _all);

    /// <summary>Counts a stream whose protocol is not agreed on yet; false when there are too many in all.</summary>
    public bool TryEnter()
    {
        if (Interlocked.Increment(ref _all) <= limits.MaxInboundStreams)
        {
            return true;
        }

        Interlocked.Decrement(ref _all);
        return false;
    }

    /// <summary>Counts a stream of a protocol; false when there are too many.</summary>
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

    /// <summary>A stream is over; <paramref name="protocol"/> is null when it never got that far.</summary>
    public void Leave(PeerId peer, string? protocol)
    {
        Interlocked.Decrement(ref _all);
        if (protocol is null)
        {
            return;
        }

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
