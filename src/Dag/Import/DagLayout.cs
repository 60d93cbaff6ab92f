namespace Ipcs.Dag.Import;

/// <summary>The arrangement of the nodes above a file's chunks.</summary>
public enum DagLayout
{
    /// <summary>All leaves at the same depth: the default.</summary>
    Balanced,

    /// <summary>Leaves first, then deeper and deeper subtrees, four of each depth: suits reading from the start.</summary>
    Trickle,
}
