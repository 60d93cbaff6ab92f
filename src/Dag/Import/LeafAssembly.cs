using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Import;

/// <summary>
/// Builds the nodes of a file above raw leaves that are stored already: the root is that of an import of the same chunks. Its memory does
/// not grow with the file. For one caller at a time.
/// </summary>
public sealed class LeafAssembly
{
    private readonly BalancedLayout _layout;

    /// <summary>Starts with no leaf. Nodes go into <paramref name="store"/>.</summary>
    /// <exception cref="ArgumentException">The profile has no raw leaves, or another layout than the balanced one.</exception>
    public LeafAssembly(IBlockstore store, ImportProfile profile)
    {
        if (!CanAssemble(profile))
        {
            throw new ArgumentException($"files of the profile '{profile.Name}' are not built from raw leaves in the balanced layout");
        }

        _layout = new BalancedLayout(new LeafWriter(store, profile.Checked()) { NodesInBulk = true }, profile.MaxChildren);
    }

    /// <summary>True for a profile whose files can be built from leaves.</summary>
    public static bool CanAssemble(ImportProfile profile) => profile is { RawLeaves: true, Layout: DagLayout.Balanced };

    /// <summary>Adds the next leaf.</summary>
    /// <param name="leaf">Its CID.</param>
    /// <param name="length">Its length in bytes.</param>
    public void Add(in Cid leaf, long length) => _layout.AddLeaf(new DagEntry(leaf, length, length));

    /// <summary>Stores the open nodes and returns the root.</summary>
    /// <exception cref="InvalidOperationException">There is no leaf.</exception>
    public DagRoot Finish()
    {
        if (_layout.Levels.Count == 0)
        {
            throw new InvalidOperationException("a file has at least one leaf");
        }

        DagEntry root = _layout.Finish(null, null);
        return new DagRoot(root.Cid, root.Size, root.DagSize, _layout.Blocks);
    }
}
