using System.Globalization;
using Ipcs.Dag.Import;
using Ipcs.Libp2p.Swarm;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Node.Options;

/// <summary>
/// One option of the daemon: <c>--name</c>, <c>IPCS_NAME</c> and <c>name</c> in the config file, with one parser for the three.
/// </summary>
/// <param name="Name">The name of the flag, without dashes in front.</param>
/// <param name="Value">What the help calls the value.</param>
/// <param name="Help">One line of help.</param>
/// <param name="Multiple">True when it may be given several times (in the environment: separated by commas).</param>
/// <param name="Apply">Parses the values and sets them; throws <see cref="FormatException"/> with the reason.</param>
internal sealed record Setting(string Name, string Value, string Help, bool Multiple, Action<NodeOptions, IReadOnlyList<string>> Apply)
{
    /// <summary>All settings.</summary>
    public static IReadOnlyList<Setting> All { get; } =
    [
        new("data", "DIR", "where the store and the key lie", false, (o, v) => o.Data = Folder(v)),
        new("listen", "MULTIADDR", "address to listen on for peers (repeatable; port 0 picks one)", true, (o, v) => o.Listen = Addresses(v, peer: false)),
        new("peer", "MULTIADDR", "peer to stay connected to (repeatable)", true, (o, v) => o.Peers = Addresses(v, peer: true)),
        new("swarm-key", "FILE", "a private network's key: no connection is made without it", false, (o, v) => o.SwarmKey = Folder(v)),
        new("allow", "PEER|NETWORK", "connect with these alone: a peer id, or a network such as 10.0.0.0/8 (repeatable)", true, (o, v) => o.Allow = Filter(v)),
        new("deny", "PEER|NETWORK", "never connect with these (repeatable)", true, (o, v) => o.Deny = Filter(v)),
        new("content-socket", "PATH", "containerd's door: a unix socket", false, (o, v) => o.ContentSocket = Socket(v)),
        new("api-socket", "PATH", "the control API's door: a unix socket", false, (o, v) => o.ApiSocket = Socket(v)),
        new("muxers", "LIST", "stream muxers, the preferred first: mplex,yamux", false, (o, v) => o.Muxers = MuxerNames(v)),
        new("containerd", "ADDRESS", "containerd's own socket, for registering images", false, (o, v) => o.Containerd = Folder(v)),
        new("profile", "NAME", "DAG profile of containerd's writes, the same on every host: kubo-v1 or kubo-v0", false, (o, v) => o.Profile = Profile(v)),
        new("info-budget", "MS", "how long an Info may wait for the fleet's answer, in milliseconds", false, (o, v) => o.InfoBudget = Milliseconds(v)),
        new("mdns", "off", "peers are found by --peer; finding them by mDNS is not there yet, so off is the only value", false, (_, v) => OneOf(v, "off")),
        new("log-format", "FORMAT", "text or json", false, (o, v) => o.JsonLogs = OneOf(v, "text", "json") == "json"),
    ];

    /// <summary>The variable of the environment that sets it.</summary>
    public string Variable => "IPCS_" + Name.Replace('-', '_').ToUpperInvariant();

    private static string Last(IReadOnlyList<string> values) =>
        values.Count > 0 && values[^1].Length > 0 ? values[^1] : throw new FormatException("the value is empty");

    private static string Folder(IReadOnlyList<string> values) => Path.GetFullPath(Last(values));

    private static string Socket(IReadOnlyList<string> values)
    {
        string path = Folder(values);

        // sockaddr_un: 108 bytes with the terminating zero.
        return System.Text.Encoding.UTF8.GetByteCount(path) < 108 ? path : throw new FormatException($"'{path}' is longer than the 107 bytes that a unix socket's path may have");
    }

    private static Multiaddr[] Addresses(IReadOnlyList<string> values, bool peer)
    {
        var addresses = new Multiaddr[values.Count];
        for (int i = 0; i < values.Count; i++)
        {
            if (!Multiaddr.TryParse(values[i], out Multiaddr? address) || !(peer ? AddressResolver.CanDial(address) : address.TryGetTcp(out _, out _)))
            {
                throw new FormatException($"'{values[i]}' is not a TCP multiaddr such as /ip4/10.0.0.1/tcp/4001");
            }

            addresses[i] = address;
        }

        return addresses;
    }

    private static IReadOnlyList<string> Filter(IReadOnlyList<string> values)
    {
        _ = new PeerFilter(values, []);
        return values;
    }

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
