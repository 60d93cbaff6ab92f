using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Import;

/// <summary>Arranges leaves under nodes in the order in which they are added. Used only by the importer that owns it.</summary>
internal interface ILayout
{
    /// <summary>The entries without a parent, in the layout's own order.</summary>
    IReadOnlyList<List<DagEntry>> Levels { get; }

    /// <summary>The most entries of a level.</summary>
    int MaxEntries { get; }

    /// <summary>The number of blocks in and below the levels, each counted as often as it is linked.</summary>
    long Blocks { get; }

    /// <summary>True when an empty file is one empty leaf, false when it is a node without leaves.</summary>
    bool EmptyIsLeaf { get; }

    /// <summary>True when the root would be a leaf, which cannot have metadata.</summary>
    bool IsSingleLeaf { get; }

    /// <summary>Adds the next leaf.</summary>
    void AddLeaf(in DagEntry leaf);

    /// <summary>Restores the levels. False when this layout cannot have produced them.</summary>
    bool TryRestore(List<List<DagEntry>> levels, long blocks);

    /// <summary>The leaves in order, read through <paramref name="children"/>.</summary>
    IEnumerable<Cid> Leaves(Func<Cid, Cid[]> children);

    /// <summary>Writes all open nodes and returns the root, which has the metadata.</summary>
    DagEntry Finish(uint? mode, UnixFsTime? mtime);
}
