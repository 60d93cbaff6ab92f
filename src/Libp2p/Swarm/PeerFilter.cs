using System.Net;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>
/// Whom a host connects with. What is denied is refused; when a list of the allowed is not empty, what is not on it is refused too.
/// Networks are checked before a byte is exchanged, peers as soon as they have proved who they are. Immutable.
/// </summary>
public sealed class PeerFilter
{
    private readonly HashSet<PeerId> _allowedPeers = [];
    private readonly HashSet<PeerId> _deniedPeers = [];
    private readonly List<IPNetwork> _allowedNetworks = [];
    private readonly List<IPNetwork> _deniedNetworks = [];

    /// <summary>A filter of the given lists; each entry is a peer id or a network such as <c>10.0.0.0/8</c> or <c>fd00::/8</c>.</summary>
    /// <exception cref="FormatException">An entry is neither.</exception>
    public PeerFilter(IEnumerable<string> allow, IEnumerable<string> deny)
    {
        Fill(allow, _allowedPeers, _allowedNetworks);
        Fill(deny, _deniedPeers, _deniedNetworks);
    }

    /// <summary>Refuses nobody.</summary>
    public static PeerFilter None { get; } = new([], []);

    /// <summary>False when nothing may come from or go to the address.</summary>
    public bool Allows(IPAddress address)
    {
        IPAddress plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return !_deniedNetworks.Exists(n => n.Contains(plain)) && (_allowedNetworks.Count == 0 || _allowedNetworks.Exists(n => n.Contains(plain)));
    }

    /// <summary>False when the peer is not wanted.</summary>
    public bool Allows(PeerId peer) => !_deniedPeers.Contains(peer) && (_allowedPeers.Count == 0 || _allowedPeers.Contains(peer));

    private static void Fill(IEnumerable<string> entries, HashSet<PeerId> peers, List<IPNetwork> networks)
    {
        foreach (string entry in entries)
        {
            if (PeerId.TryParse(entry, out PeerId peer))
            {
                peers.Add(peer);
            }
            else if (IPNetwork.TryParse(entry, out IPNetwork network))
            {
                networks.Add(network);
            }
            else
            {
                throw new FormatException($"'{entry}' is neither a peer id nor a network such as 10.0.0.0/8");
            }
        }
    }
}
