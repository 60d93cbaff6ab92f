using Ipcs.Libp2p.Dns;

namespace Ipcs.Libp2p.Discovery.Mdns;

/// <summary>What <see cref="MdnsCore"/> wants done after one input.</summary>
/// <param name="Send">Messages to multicast.</param>
/// <param name="Found">Peers to report.</param>
internal sealed record MdnsStep(IReadOnlyList<DnsMessage> Send, IReadOnlyList<FoundPeer> Found)
{
    /// <summary>Nothing.</summary>
    public static MdnsStep Nothing { get; } = new([], []);
}
