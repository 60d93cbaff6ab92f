using Ipcs.Multiformats;

namespace Ipcs.Dag.DagPb;

/// <summary>One link of a dag-pb node (PBLink).</summary>
/// <param name="Cid">The block it links to.</param>
/// <param name="Name">The name; empty in files.</param>
/// <param name="Tsize">The cumulative size of the blocks below it, in bytes, as the node's author claims; not to be relied on.</param>
public readonly record struct DagPbLink(Cid Cid, string Name, ulong Tsize)
{
    /// <summary>False when the name field is absent. Files and directories always have it.</summary>
    public bool HasName { get; init; } = true;

    /// <summary>False when the Tsize field is absent. Files and directories always have it.</summary>
    public bool HasTsize { get; init; } = true;
}
