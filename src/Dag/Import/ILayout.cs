using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Import;

/// <summary>Arranges leaves, as they come, under nodes. Touched only by the importer that owns it.</summary>
internal interface ILayout
{
    /// <summary>The entries that no node has been written over yet, in the layout's own order.</summary>
    IReadOnlyList<List<DagEntry>> Levels { get; }

    /// <summary>The most entries of a level.</summary>
    int MaxEntries { get; }

    /// <summary>How many blocks are below and in the levels, each as often as it is linked.</summary>
    long Blocks { get; }

    /// <summary>True when an empty file is one empty leaf; false when it is a node with none.</summary>
    bool EmptyIsLeaf { get; }

    /// <summary>True when the root would be a leaf, which has no place for metadata.</summary>
    bool IsSingleLeaf { get; }

    /// <summary>Takes the next leaf.</summary>
    void AddLeaf(in DagEntry leaf);

    /// <summary>Puts the levels back as they were. False when they can't have come from this layout.</summary>
    bool TryRestore(List<List<DagEntry>> levels, long blocks);

    /// <summary>The leaves in order, read through <paramref name="children"/>.</summary>
    IEnumerable<Cid> Leaves(Func<Cid, Cid[]> children);

    /// <summary>Writes all nodes that are open and returns the root, which has the metadata.</summary>
    DagEntry Finish(uint? mode, UnixFsTime? mtime);
}
