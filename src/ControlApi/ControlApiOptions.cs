using System.Text.Json.Nodes;
using Ipcs.Dag.Import;

namespace Ipcs.ControlApi;

/// <summary>The daemon's options that the control API shows or uses.</summary>
public sealed record ControlApiOptions
{
    /// <summary>The version of this program, such as <c>0.1.0</c>.</summary>
    public required string Version { get; init; }

    /// <summary>The agent version that identify sends to peers.</summary>
    public required string AgentVersion { get; init; }

    /// <summary>The folder of the store and of the node's key.</summary>
    public required string Data { get; init; }

    /// <summary>The path of the control API's Unix socket.</summary>
    public required string ApiSocket { get; init; }

    /// <summary>The token that requests over TCP need; null for none.</summary>
    public string? Token { get; init; }

    /// <summary>The path of containerd's socket.</summary>
    public required string Containerd { get; init; }

    /// <summary>The DAG profile of containerd's writes, and of converted images that name no other.</summary>
    public required ImportProfile Profile { get; init; }

    /// <summary>The size of the store in bytes at which garbage is collected; 0 for no limit.</summary>
    public required long StorageMax { get; init; }

    /// <summary>True when any host that can connect to this node may ask for its contents.</summary>
    public bool IsOpen { get; init; }

    /// <summary>The options in force, as <c>config/show</c> sends them.</summary>
    public required Func<JsonObject> Config { get; init; }
}
