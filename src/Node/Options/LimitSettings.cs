using System.Globalization;
using Ipcs.Libp2p.Swarm;

namespace Ipcs.Node.Options;

/// <summary>
/// The settings of the resource limits for peers: one per property of <see cref="HostLimits"/>, which explains each default.
/// </summary>
internal static class LimitSettings
{
    /// <summary>More than any machine has descriptors or tasks: a typing error.</summary>
    private const int MaxCount = 10_000_000;

    /// <summary>Fewer bytes could not hold some initial windows of streams (256 KiB each).</summary>
    private const long MinBytes = 1 << 20;

    private const long MaxBytes = 1L << 40;

    /// <summary>All limit settings.</summary>
    public static IReadOnlyList<Setting> All { get; } =
    [
        Count("max-connections", "connections in all", l => l.MaxConnections, (l, n) => l with { MaxConnections = n }),
        Count(
            "max-connections-per-peer", "connections with one peer",
            l => l.MaxConnectionsPerPeer, (l, n) => l with { MaxConnectionsPerPeer = n }),
        Count(
            "max-connections-per-address", "connections from one address (IPv6: one /64)",
            l => l.MaxConnectionsPerAddress, (l, n) => l with { MaxConnectionsPerAddress = n }),
        Count("max-handshakes", "handshakes under way from others", l => l.MaxPendingInbound, (l, n) => l with { MaxPendingInbound = n }),
        Count(
            "max-handshakes-per-address", "handshakes under way from one address",
            l => l.MaxPendingPerAddress, (l, n) => l with { MaxPendingPerAddress = n }),
        Count("max-dials", "dials under way; more wait", l => l.MaxPendingOutbound, (l, n) => l with { MaxPendingOutbound = n }),
        Count(
            "max-streams", "streams that peers have open to this node",
            l => l.MaxInboundStreams, (l, n) => l with { MaxInboundStreams = n }),
        Count(
            "max-streams-per-connection", "streams over one connection, from its peer",
            l => l.MaxInboundStreamsPerConnection, (l, n) => l with { MaxInboundStreamsPerConnection = n }),
        Count(
            "max-streams-per-peer", "streams from one peer",
            l => l.MaxInboundStreamsPerPeer, (l, n) => l with { MaxInboundStreamsPerPeer = n }),
        Count(
            "max-streams-per-address", "streams from the peers of one address",
            l => l.MaxInboundStreamsPerAddress, (l, n) => l with { MaxInboundStreamsPerAddress = n }),
        Count(
            "max-streams-per-protocol", "streams of one protocol",
            l => l.MaxInboundStreamsPerProtocol, (l, n) => l with { MaxInboundStreamsPerProtocol = n }),
        Count(
            "max-streams-per-peer-and-protocol", "streams of one protocol from one peer",
            l => l.MaxInboundStreamsPerPeerAndProtocol, (l, n) => l with { MaxInboundStreamsPerPeerAndProtocol = n }),
        Count(
            "max-own-streams", "streams of this node's own over one connection",
            l => l.MaxOutboundStreamsPerConnection, (l, n) => l with { MaxOutboundStreamsPerConnection = n }),
        Bytes("max-buffered", "bytes that wait to be read in all", l => l.MaxBuffered, (l, n) => l with { MaxBuffered = n }),
        Bytes(
            "max-buffered-per-connection", "bytes that wait to be read of one connection",
            l => l.MaxBufferedPerConnection, (l, n) => l with { MaxBufferedPerConnection = n }),
        Bytes(
            "max-buffered-per-peer", "bytes that wait to be read of one peer",
            l => l.MaxBufferedPerPeer, (l, n) => l with { MaxBufferedPerPeer = n }),
        Bytes(
            "max-buffered-per-address", "bytes that wait to be read of one address's peers",
            l => l.MaxBufferedPerAddress, (l, n) => l with { MaxBufferedPerAddress = n }),
        Bytes(
            "max-buffered-per-protocol", "bytes that wait to be read of one protocol",
            l => l.MaxBufferedPerProtocol, (l, n) => l with { MaxBufferedPerProtocol = n }),
    ];

    private static Setting Count(string name, string what, Func<HostLimits, int> get, Func<HostLimits, int, HostLimits> with) => new(
        name, "N", $"limit: {what} ({get(new HostLimits())})", false, (o, v) => o.Limits = with(o.Limits, Number(v)), o => get(o.Limits));

    private static Setting Bytes(string name, string what, Func<HostLimits, long> get, Func<HostLimits, long, HostLimits> with) => new(
        name,
        "SIZE",
        $"limit: {what} ({get(new HostLimits()) >> 20}MiB)",
        false,
        (o, v) => o.Limits = with(o.Limits, Size(v)),
        o => Quantity.Text(get(o.Limits)));

    private static int Number(IReadOnlyList<string> values) =>
        int.TryParse(Setting.Last(values), NumberStyles.None, CultureInfo.InvariantCulture, out int n) && n is >= 1 and <= MaxCount
            ? n
            : throw new FormatException($"'{Setting.Last(values)}' is not a number from 1 to {MaxCount}");

    private static long Size(IReadOnlyList<string> values) =>
        Quantity.Size(Setting.Last(values)) is var n and >= MinBytes and <= MaxBytes
            ? n
            : throw new FormatException($"'{Setting.Last(values)}' is not a size from 1MiB to 1TiB");
}
