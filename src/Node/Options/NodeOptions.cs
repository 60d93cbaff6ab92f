using System.Net;
using Ipcs.Dag.Import;
using Ipcs.Fleet.Routing;
using Ipcs.Kademlia;
using Ipcs.Libp2p.Swarm;
using Ipcs.Multiformats;

namespace Ipcs.Node.Options;

/// <summary>What a daemon runs with, once the config file, the environment and the flags have been laid over each other.</summary>
internal sealed class NodeOptions
{
    /// <summary>Where the store and the key lie.</summary>
    public string Data { get; set; } = DefaultFolders.Data;

    /// <summary>Addresses to listen on for peers.</summary>
    public IReadOnlyList<Multiaddr> Listen { get; set; } = [Multiaddr.Parse("/ip4/0.0.0.0/tcp/4001")];

    /// <summary>Peers to stay connected to.</summary>
    public IReadOnlyList<Multiaddr> Peers { get; set; } = [];

    /// <summary>The file of a private network's key; null for the public one.</summary>
    public string? SwarmKey { get; set; }

    /// <summary>The only peers and networks to connect with; empty for all.</summary>
    public IReadOnlyList<string> Allow { get; set; } = [];

    /// <summary>Peers and networks not to connect with.</summary>
    public IReadOnlyList<string> Deny { get; set; } = [];

    /// <summary>What peers may make the node hold.</summary>
    public HostLimits Limits { get; set; } = new();

    /// <summary>containerd's door: a unix socket.</summary>
    public string ContentSocket { get; set; } = Path.Combine(DefaultFolders.Run, "content.sock");

    /// <summary>The control API's door: a unix socket.</summary>
    public string ApiSocket { get; set; } = Path.Combine(DefaultFolders.Run, "api.sock");

    /// <summary>Where the control API is on TCP too; null for nowhere. Whoever can connect there rules the node.</summary>
    public IPEndPoint? ApiAddress { get; set; }

    /// <summary>Where the metrics are served over TCP; null for nowhere.</summary>
    public IPEndPoint? MetricsAddress { get; set; }

    /// <summary>Stream muxers, the preferred first.</summary>
    public IReadOnlyList<string> Muxers { get; set; } = ["mplex", "yamux"];

    /// <summary>containerd's own socket, for registering images.</summary>
    public string Containerd { get; set; } = "/run/containerd/containerd.sock";

    /// <summary>The DAG profile of containerd's writes: one for the whole fleet.</summary>
    public ImportProfile Profile { get; set; } = ImportProfile.KuboV1;

    /// <summary>How long an Info may wait for the fleet's answer.</summary>
    public TimeSpan InfoBudget { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Find peers of the local network, and be found, by multicast DNS.</summary>
    public bool Mdns { get; set; } = true;

    /// <summary>The DHT; null when it is off.</summary>
    public DhtOptions? Dht { get; set; } = new();

    /// <summary>What is announced to the DHT.</summary>
    public ProvideStrategy Provide { get; set; } = ProvideStrategy.Roots;

    /// <summary>How long after an announcement the next one is due.</summary>
    public TimeSpan ProvideInterval { get; set; } = TimeSpan.FromHours(22);

    /// <summary>How often garbage is collected; zero for only when asked.</summary>
    public TimeSpan GcInterval { get; set; } = TimeSpan.FromHours(1);

    /// <summary>With a size of the store in bytes, garbage is collected only once nine tenths of it are used; zero for none.</summary>
    public long StorageMax { get; set; }

    /// <summary>The most block bytes sent a second, to all peers together; zero for no limit.</summary>
    public long UploadRate { get; set; }

    /// <summary>The most block bytes asked of peers a second; zero for no limit.</summary>
    public long DownloadRate { get; set; }

    /// <summary>Logs as JSON lines instead of text.</summary>
    public bool JsonLogs { get; set; }

    /// <summary>The least grave messages that are logged.</summary>
    public LogLevel LogLevel { get; set; } = LogLevel.Information;
}
