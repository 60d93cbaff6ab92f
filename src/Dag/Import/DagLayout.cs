namespace Ipcs.Dag.Import;

/// <summary>How the nodes above a file's chunks are arranged.</summary>
public enum DagLayout
{
    /// <summary>All leaves equally deep: the usual one.</summary>
    Balanced,

    /// <summary>Leaves first, then ever deeper subtrees, four of each depth: made for reading from the start.</summary>
    Trickle,
}
