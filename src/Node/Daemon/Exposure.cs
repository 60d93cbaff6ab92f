using System.Net;
using Ipcs.Multiformats;
using Ipcs.Node.Options;

namespace Ipcs.Node.Daemon;

/// <summary>
/// Whether strangers may ask this node. Any host that can connect, and that neither a swarm key nor an allow list keeps out, learns which
/// contents are pulled, because the fleet is asked for their digests, and can read every content whose digest it knows.
/// </summary>
internal static class Exposure
{
    /// <summary>True when the node listens beyond loopback, and has neither a swarm key nor an allow list.</summary>
    public static bool IsOpen(NodeOptions options) =>
        options.SwarmKey is null && options.Allow.Count == 0 && options.Listen.Any(a => !IsLoopback(a));

    private static bool IsLoopback(Multiaddr address) =>
        address.TryGetTcp(out string? host, out _) && IPAddress.TryParse(host, out IPAddress? ip) && IPAddress.IsLoopback(ip);
}
