using System.Text.Json.Nodes;

namespace Ipcs.ControlApi;

/// <summary>What the control API shows of the daemon's options, and where it finds containerd.</summary>
public sealed record ControlApiOptions
{
    /// <summary>The version of this program, such as <c>0.1.0</c>.</summary>
    public required string Version { get; init; }

    /// <summary>The agent version that identify sends to peers.</summary>
    public required string AgentVersion { get; init; }

    /// <summary>The folder of the store and the key.</summary>
    public required string Data { get; init; }

    /// <summary>The control API's unix socket.</summary>
    public required string ApiSocket { get; init; }

    /// <summary>containerd's own socket.</summary>
    public required string Containerd { get; init; }

    /// <summary>The size of the store at which garbage is collected, in bytes; 0 for no limit.</summary>
    public required long StorageMax { get; init; }

    /// <summary>The options in force, as <c>config/show</c> answers them.</summary>
    public required Func<JsonObject> Config { get; init; }
}
