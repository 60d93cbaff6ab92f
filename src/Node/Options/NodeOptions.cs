using Ipcs.Dag.Import;
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

    /// <summary>containerd's door: a unix socket.</summary>
    public string ContentSocket { get; set; } = Path.Combine(DefaultFolders.Run, "content.sock");

    /// <summary>The control API's door: a unix socket.</summary>
    public string ApiSocket { get; set; } = Path.Combine(DefaultFolders.Run, "api.sock");

    /// <summary>Stream muxers, the preferred first.</summary>
    public IReadOnlyList<string> Muxers { get; set; } = ["mplex", "yamux"];

    /// <summary>containerd's own socket, for registering images.</summary>
    public string Containerd { get; set; } = "/run/containerd/containerd.sock";

    /// <summary>The DAG profile of containerd's writes: one for the whole fleet.</summary>
    public ImportProfile Profile { get; set; } = ImportProfile.KuboV1;

    /// <summary>How long an Info may wait for the fleet's answer.</summary>
    public TimeSpan InfoBudget { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Logs as JSON lines instead of text.</summary>
    public bool JsonLogs { get; set; }
}

/// <summary>Where things lie when nothing is said: the system's folders for root, the XDG folders for others.</summary>
internal static class DefaultFolders
{
    private static readonly bool IsRoot = Environment.UserName == "root" || Environment.GetEnvironmentVariable("HOME") == "/root";

    /// <summary>The data folder.</summary>
    public static string Data { get; } = IsRoot ? "/var/lib/ipcs" : Path.Combine(Xdg("XDG_DATA_HOME", ".local/share"), "ipcs");

    /// <summary>The folder of the sockets.</summary>
    public static string Run { get; } = IsRoot
        ? "/run/ipcs"
        : Path.Combine(Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } run ? run : Xdg("XDG_STATE_HOME", ".local/state"), "ipcs");

    private static string Xdg(string variable, string fallback) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } folder
            ? folder
            : Path.Combine(Environment.GetEnvironmentVariable("HOME") ?? "/tmp", fallback);
}
