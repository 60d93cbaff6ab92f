using System.Net;
using Ipcs.Dag.Import;
using Ipcs.Fleet.Routing;
using Ipcs.Kademlia;
using Ipcs.Libp2p.Swarm;
using Ipcs.Multiformats;

namespace Ipcs.Node.Options;

/// <summary>The options of a daemon, merged from the config file, the environment and the flags.</summary>
internal sealed class NodeOptions
{
    /// <summary>The folder of the store and the key.</summary>
    public string Data { get; set; } = DefaultFolders.Data;

    /// <summary>Addresses to listen on for peers.</summary>
    public IReadOnlyList<Multiaddr> Listen { get; set; } = [Multiaddr.Parse("/ip4/0.0.0.0/tcp/4001")];

    /// <summary>Peers to stay connected to.</summary>
    public IReadOnlyList<Multiaddr> Peers { get; set; } = [];

    /// <summary>
    /// The key file of a private network; null for the one in the data folder, and without that for the public network.
    /// </summary>
    public string? SwarmKey { get; set; }

    /// <summary>The only peers and networks to connect with; empty for any.</summary>
    public IReadOnlyList<string> Allow { get; set; } = [];

    /// <summary>Peers and networks not to connect with.</summary>
    public IReadOnlyList<string> Deny { get; set; } = [];

    /// <summary>Bounds the resources that peers can use.</summary>
    public HostLimits Limits { get; set; } = new();

    /// <summary>The unix socket of the content service.</summary>
    public string ContentSocket { get; set; } = Path.Combine(DefaultFolders.Run, "content.sock");

    /// <summary>The unix socket of the control API.</summary>
    public string ApiSocket { get; set; } = Path.Combine(DefaultFolders.Run, "api.sock");

    /// <summary>
    /// The TCP address of the control API; null for none. Whoever can connect to it, and has the token if there is one, controls the node.
    /// </summary>
    public IPEndPoint? ApiAddress { get; set; }

    /// <summary>The file of the token that requests to <see cref="ApiAddress"/> need; null for none, on loopback only.</summary>
    public string? ApiToken { get; set; }

    /// <summary>The TCP address of the metrics; null for none.</summary>
    public IPEndPoint? MetricsAddress { get; set; }

    /// <summary>Stream muxers in order of preference.</summary>
    public IReadOnlyList<string> Muxers { get; set; } = ["mplex", "yamux"];

    /// <summary>containerd's socket, for registering images.</summary>
    public string Containerd { get; set; } = "/run/containerd/containerd.sock";

    /// <summary>The DAG profile of containerd's writes, the same on every host of a fleet.</summary>
    public ImportProfile Profile { get; set; } = ImportProfile.KuboV1;

    /// <summary>How long the fleet has to say that a peer has a content before a pull gets it from the registry.</summary>
    public TimeSpan FindTime { get; set; } = TimeSpan.FromMilliseconds(300);

    /// <summary>How long contents that containerd has deleted stay for the peers; zero for not at all.</summary>
    public TimeSpan Retain { get; set; } = TimeSpan.FromHours(24);

    /// <summary>Keys of the config file that earlier versions knew and that have no effect any more.</summary>
    public IList<string> RetiredKeys { get; } = [];

    /// <summary>Discover peers in the local network by multicast DNS, and answer their queries.</summary>
    public bool Mdns { get; set; } = true;

    /// <summary>The options of the DHT; null when it is off.</summary>
    public DhtOptions? Dht { get; set; } = new();

    /// <summary>Which keys are announced to the DHT.</summary>
    public ProvideStrategy Provide { get; set; } = ProvideStrategy.Roots;

    /// <summary>The time between two announcements of a key.</summary>
    public TimeSpan ProvideInterval { get; set; } = TimeSpan.FromHours(22);

    /// <summary>The time between garbage collections; zero for collections on request only.</summary>
    public TimeSpan GcInterval { get; set; } = TimeSpan.FromHours(1);

    /// <summary>
    /// The maximum size of the store in bytes: garbage is collected only when 90 % of it is used; zero for no such condition.
    /// </summary>
    public long StorageMax { get; set; }

    /// <summary>The most block bytes sent per second, to all peers together; zero for no limit.</summary>
    public long UploadRate { get; set; }

    /// <summary>The most block bytes requested from peers per second; zero for no limit.</summary>
    public long DownloadRate { get; set; }

    /// <summary>Log JSON lines instead of text.</summary>
    public bool JsonLogs { get; set; }

    /// <summary>The lowest level that is logged.</summary>
    public LogLevel LogLevel { get; set; } = LogLevel.Information;
}
