using Ipcs.Multiformats;

namespace Ipcs.Dag.DagPb;

/// <summary>One link of a dag-pb node (PBLink).</summary>
/// <param name="Cid">What it points to.</param>
/// <param name="Name">Its name; empty in files.</param>
/// <param name="Tsize">The cumulative size of the blocks below it, in bytes, as its maker claims; nothing may rely on it.</param>
public readonly record struct DagPbLink(Cid Cid, string Name, ulong Tsize)
{
    /// <summary>False when the name is not even written. Files and directories always write it.</summary>
    public bool HasName { get; init; } = true;

    /// <summary>False when the size is not even written. Files and directories always write it.</summary>
    public bool HasTsize { get; init; } = true;
}
