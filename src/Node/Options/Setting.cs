using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Ipcs.Dag.Import;
using Ipcs.Fleet.Routing;
using Ipcs.Kademlia;
using Ipcs.Kademlia.Routing;
using Ipcs.Libp2p.Swarm;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Node.Options;

/// <summary>
/// An option of the daemon: <c>--name</c>, <c>IPCS_NAME</c> and <c>name</c> in the config file, with one parser for the three.
/// </summary>
/// <param name="Name">The name of the flag, without the leading dashes.</param>
/// <param name="Value">The name of the value in the help.</param>
/// <param name="Help">One line of help.</param>
/// <param name="Multiple">True when the option can be given several times (in the environment: separated by commas).</param>
/// <param name="Apply">Parses the values and sets the option; throws <see cref="FormatException"/> with the reason.</param>
/// <param name="Show">The value as <c>config show</c> prints it, in a form that <paramref name="Apply"/> parses; null for no value.</param>
internal sealed record Setting(
    string Name,
    string Value,
    string Help,
    bool Multiple,
    Action<NodeOptions, IReadOnlyList<string>> Apply,
    Func<NodeOptions, JsonNode?> Show)
{
    /// <summary>All settings.</summary>
    public static IReadOnlyList<Setting> All { get; } =
    [
        new("data", "DIR", "folder of the store and the key", false, (o, v) => o.Data = Folder(v), o => o.Data),
        new(
            "listen", "MULTIADDR", "address to listen on for peers (repeatable; port 0 picks one)",
            true, (o, v) => o.Listen = Addresses(v, peer: false), o => List(o.Listen)),
        new(
            "peer", "MULTIADDR", "peer to stay connected to (repeatable)",
            true, (o, v) => o.Peers = Addresses(v, peer: true), o => List(o.Peers)),
        new(
            "swarm-key", "FILE", "key file of a private network: connect only with peers that have it (else swarm.key of the data folder)",
            false, (o, v) => o.SwarmKey = Folder(v), o => o.SwarmKey),
        new(
            "allow", "PEER|NETWORK", "connect only with these: a peer id, or a network such as 10.0.0.0/8 (repeatable)",
            true, (o, v) => o.Allow = Filter(v), o => Texts(o.Allow)),
        new("deny", "PEER|NETWORK", "never connect with these (repeatable)", true, (o, v) => o.Deny = Filter(v), o => Texts(o.Deny)),
        new(
            "content-socket", "PATH", "unix socket of the content service, for containerd",
            false, (o, v) => o.ContentSocket = Socket(v), o => o.ContentSocket),
        new("api-socket", "PATH", "unix socket of the control API", false, (o, v) => o.ApiSocket = Socket(v), o => o.ApiSocket),
        new(
            "api-addr", "HOST:PORT", "TCP address of the control API (no HOST: loopback; any other address needs --api-token)",
            false, (o, v) => o.ApiAddress = Endpoint(v), o => o.ApiAddress?.ToString()),
        new(
            "api-token", "FILE", "file with the token that requests to --api-addr need: Authorization: Bearer TOKEN",
            false, (o, v) => o.ApiToken = Folder(v), o => o.ApiToken),
        new(
            "metrics-addr", "HOST:PORT", "TCP address of the metrics, Prometheus text at /metrics (no HOST: loopback)",
            false, (o, v) => o.MetricsAddress = Endpoint(v), o => o.MetricsAddress?.ToString()),
        new(
            "muxers", "LIST", "stream muxers in order of preference: mplex,yamux",
            false, (o, v) => o.Muxers = MuxerNames(v), o => string.Join(',', o.Muxers)),
        new(
            "containerd", "ADDRESS", "containerd's socket, for registering images",
            false, (o, v) => o.Containerd = Folder(v), o => o.Containerd),
        new(
            "profile", "NAME", "DAG profile of containerd's writes, the same on every host: kubo-v1 or kubo-v0",
            false, (o, v) => o.Profile = Profile(v), o => o.Profile.Name),
        new(
            "find-time", "MS", "how long a pull waits for a peer that says that it has a content, in milliseconds",
            false, (o, v) => o.FindTime = Milliseconds(v), o => (long)o.FindTime.TotalMilliseconds),
        new(
            "mdns", "on|off", "discover peers in the local network by multicast DNS, and be discovered",
            false, (o, v) => o.Mdns = OneOf(v, "on", "off") == "on", o => o.Mdns ? "on" : "off"),
        new(
            "dht", "MODE", "DHT mode: lan, wan, lan-client or wan-client (clients answer no queries), or off",
            false, (o, v) => o.Dht = Dht(v), o => DhtName(o.Dht)),
        new(
            "provide", "STRATEGY", "what is announced to the DHT: roots (of owned and pinned contents), pinned, all, or none",
            false, (o, v) => o.Provide = Strategy(v), o => StrategyName(o.Provide)),
        new(
            "provide-interval", "HOURS", "hours between two announcements of a key; the DHT forgets it after 48",
            false, (o, v) => o.ProvideInterval = Hours(v), o => (long)o.ProvideInterval.TotalHours),
        new(
            "gc-interval", "TIME", "time between garbage collections, such as 30m or 1h; off: only 'repo gc' collects",
            false, (o, v) => o.GcInterval = Quantity.Duration(Last(v)), o => Quantity.Text(o.GcInterval)),
        new(
            "retain", "TIME", "how long contents that containerd has deleted stay for the peers, if there is room, such as 24h",
            false, (o, v) => o.Retain = Quantity.Duration(Last(v)), o => Quantity.Text(o.Retain)),
        new(
            "storage-max", "SIZE", "collect only when the store uses 90 % of this size, such as 100GB; off: at every interval",
            false, (o, v) => o.StorageMax = Quantity.Size(Last(v)), o => Quantity.Text(o.StorageMax)),
        new(
            "upload-rate", "RATE", "most block bytes sent per second, to all peers together, such as 20MiB; off: no limit",
            false, (o, v) => o.UploadRate = Quantity.Rate(Last(v)), o => Quantity.Text(o.UploadRate)),
        new(
            "download-rate", "RATE", "most block bytes requested from peers per second; off: no limit",
            false, (o, v) => o.DownloadRate = Quantity.Rate(Last(v)), o => Quantity.Text(o.DownloadRate)),
        new(
            "log-format", "FORMAT", "text or json",
            false, (o, v) => o.JsonLogs = OneOf(v, "text", "json") == "json", o => o.JsonLogs ? "json" : "text"),
        new("log-level", "LEVEL", "trace, debug, info, warn or error", false, (o, v) => o.LogLevel = Level(v), o => LevelName(o.LogLevel)),
        .. LimitSettings.All,
    ];

    /// <summary>Names of settings that earlier versions had.</summary>
    public static IReadOnlyList<string> Retired { get; } = ["info-budget"];

    /// <summary>The environment variable of the option.</summary>
    public string Variable => "IPCS_" + Name.Replace('-', '_').ToUpperInvariant();

    /// <summary>The last value, which overrides the others.</summary>
    /// <exception cref="FormatException">There is none, or it is empty.</exception>
    internal static string Last(IReadOnlyList<string> values) =>
        values.Count > 0 && values[^1].Length > 0 ? values[^1] : throw new FormatException("the value is empty");

    private static string Folder(IReadOnlyList<string> values) => Path.GetFullPath(Last(values));

    private static string Socket(IReadOnlyList<string> values)
    {
        string path = Folder(values);

        // sockaddr_un: 108 bytes with the terminating zero.
        return System.Text.Encoding.UTF8.GetByteCount(path) < 108
            ? path
            : throw new FormatException($"'{path}' is longer than the 107 bytes that a unix socket's path may have");
    }

    private static Multiaddr[] Addresses(IReadOnlyList<string> values, bool peer)
    {
        var addresses = new Multiaddr[values.Count];
        for (int i = 0; i < values.Count; i++)
        {
            bool parsed = Multiaddr.TryParse(values[i], out Multiaddr? address);
            bool tcp = parsed && address!.TryGetTcp(out _, out _);
            if (peer && tcp && !AddressResolver.CanDial(address!))
            {
                throw new FormatException($"'{values[i]}' has port 0, which is no address to connect to");
            }

            if (!tcp && !(peer && parsed && AddressResolver.CanDial(address!)))
            {
                throw new FormatException($"'{values[i]}' is not a TCP multiaddr such as /ip4/10.0.0.1/tcp/4001");
            }

            addresses[i] = address!;
        }

        return addresses;
    }

    private static IReadOnlyList<string> Filter(IReadOnlyList<string> values)
    {
        _ = new PeerFilter(values, []);
        return values;
    }

    private static JsonArray Texts(IReadOnlyList<string> values) => [.. values.Select(v => (JsonNode)v)];

    private static JsonArray List(IReadOnlyList<Multiaddr> addresses) => [.. addresses.Select(a => (JsonNode)a.ToString())];

    private static IPEndPoint Endpoint(IReadOnlyList<string> values)
    {
        string text = Last(values);
        int colon = text.LastIndexOf(':');
        string host = colon < 0 ? "" : text[..colon];
        IPAddress? address = host is "" or "localhost" ? IPAddress.Loopback
            : host.StartsWith('[') == host.Contains(':', StringComparison.Ordinal) && IPAddress.TryParse(host, out IPAddress? ip) ? ip
            : null;
        return colon >= 0
            && address is not null
            && ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port)
            ? new IPEndPoint(address, port)
            : throw new FormatException($"'{text}' is not HOST:PORT such as 127.0.0.1:5001, with an IP address or localhost as the host");
    }

    private static string LevelName(LogLevel level) => level switch
    {
        LogLevel.Trace => "trace",
        LogLevel.Debug => "debug",
        LogLevel.Warning => "warn",
        LogLevel.Error => "error",
        _ => "info",
    };

    private static LogLevel Level(IReadOnlyList<string> values) => OneOf(values, "trace", "debug", "info", "warn", "error") switch
    {
        "trace" => LogLevel.Trace,
        "debug" => LogLevel.Debug,
        "warn" => LogLevel.Warning,
        "error" => LogLevel.Error,
        _ => LogLevel.Information,
    };

    private static string[] MuxerNames(IReadOnlyList<string> values)
    {
        string[] names = Last(values).Split(',', StringSplitOptions.TrimEntries);
        return names.All(n => n is "mplex" or "yamux") && names.Distinct(StringComparer.Ordinal).Count() == names.Length
            ? names
            : throw new FormatException($"'{Last(values)}' is not a list of mplex and yamux");
    }

    private static ImportProfile Profile(IReadOnlyList<string> values) =>
        ImportProfile.TryParse(Last(values), out ImportProfile? profile)
            ? profile
            : throw new FormatException($"'{Last(values)}' is not a DAG profile (kubo-v1, kubo-v0)");

    private static DhtOptions? Dht(IReadOnlyList<string> values) => OneOf(values, "lan", "wan", "lan-client", "wan-client", "off") switch
    {
        "off" => null,
        var mode => new DhtOptions
        {
            Mode = mode.StartsWith("wan", StringComparison.Ordinal) ? DhtMode.Wan : DhtMode.Lan,
            Server = !mode.EndsWith("-client", StringComparison.Ordinal),
        },
    };

    private static string DhtName(DhtOptions? dht) =>
        dht is null ? "off" : (dht.Mode == DhtMode.Lan ? "lan" : "wan") + (dht.Server ? "" : "-client");

    private static string StrategyName(ProvideStrategy strategy) => strategy switch
    {
        ProvideStrategy.Pinned => "pinned",
        ProvideStrategy.All => "all",
        ProvideStrategy.None => "none",
        _ => "roots",
    };

    private static ProvideStrategy Strategy(IReadOnlyList<string> values) => OneOf(values, "roots", "pinned", "all", "none") switch
    {
        "roots" => ProvideStrategy.Roots,
        "pinned" => ProvideStrategy.Pinned,
        "all" => ProvideStrategy.All,
        _ => ProvideStrategy.None,
    };

    private static TimeSpan Hours(IReadOnlyList<string> values) =>
        int.TryParse(Last(values), NumberStyles.None, CultureInfo.InvariantCulture, out int hours) && hours is >= 1 and <= 46
            ? TimeSpan.FromHours(hours)
            : throw new FormatException($"'{Last(values)}' is not a number of hours from 1 to 46");

    private static TimeSpan Milliseconds(IReadOnlyList<string> values) =>
        int.TryParse(Last(values), NumberStyles.None, CultureInfo.InvariantCulture, out int ms) && ms <= 10_000
            ? TimeSpan.FromMilliseconds(ms)
            : throw new FormatException($"'{Last(values)}' is not a number of milliseconds from 0 to 10000");

    private static string OneOf(IReadOnlyList<string> values, params ReadOnlySpan<string> words)
    {
        foreach (string word in words)
        {
            if (Last(values) == word)
            {
                return word;
            }
        }

        throw new FormatException($"'{Last(values)}' is not one of {string.Join(", ", words!)}");
    }
}
