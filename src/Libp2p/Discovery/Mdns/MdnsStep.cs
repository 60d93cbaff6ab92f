using Ipcs.Libp2p.Dns;

namespace Ipcs.Libp2p.Discovery.Mdns;

/// <summary>The output of <see cref="MdnsCore"/> for one input.</summary>
/// <param name="Send">Messages to multicast.</param>
/// <param name="Found">Peers to report.</param>
internal sealed record MdnsStep(IReadOnlyList<DnsMessage> Send, IReadOnlyList<FoundPeer> Found)
{
    /// <summary>A step without output.</summary>
    public static MdnsStep Nothing { get; } = new([], []);
}
