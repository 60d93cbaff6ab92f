using System.Net;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>
/// The peers and networks that a host connects with. Entries of the deny list are refused; when the allow list has entries of a kind,
/// everything else of that kind is refused too. Networks are checked before a byte is exchanged, peers when their identity is proved.
/// Immutable.
/// </summary>
public sealed class PeerFilter
{
    private readonly HashSet<PeerId> _allowedPeers = [];
    private readonly HashSet<PeerId> _deniedPeers = [];
    private readonly List<IPNetwork> _allowedNetworks = [];
    private readonly List<IPNetwork> _deniedNetworks = [];

    /// <summary>Creates a filter from lists of peer ids and networks such as <c>10.0.0.0/8</c> or <c>fd00::/8</c>.</summary>
    /// <exception cref="FormatException">An entry is neither a peer id nor a network.</exception>
    public PeerFilter(IEnumerable<string> allow, IEnumerable<string> deny)
    {
        Fill(allow, _allowedPeers, _allowedNetworks);
        Fill(deny, _deniedPeers, _deniedNetworks);
    }

    /// <summary>The filter that refuses nothing.</summary>
    public static PeerFilter None { get; } = new([], []);

    /// <summary>False when connections with the address are refused.</summary>
    public bool Allows(IPAddress address)
    {
        IPAddress plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return !_deniedNetworks.Exists(n => n.Contains(plain))
            && (_allowedNetworks.Count == 0 || _allowedNetworks.Exists(n => n.Contains(plain)));
    }

    /// <summary>False when connections with the peer are refused.</summary>
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
