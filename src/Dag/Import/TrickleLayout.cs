using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Import;

/// <summary>
/// The trickle layout: a node has a maximum number of leaves, then four subtrees of depth 1, four of depth 2 and so on. The root continues
/// without end; a subtree of depth n ends before its own subtrees would have depth n.
/// Reference: https://github.com/ipfs/boxo/blob/main/ipld/unixfs/importer/trickle/trickledag.go.
/// </summary>
internal sealed class TrickleLayout(LeafWriter writer, int maxChildren) : ILayout
{
    /// <summary>The number of subtrees of one depth in a node.</summary>
    private const int Repeat = 4;

    /// <summary>A subtree of depth n has more than 4^n leaves, so no file is deeper.</summary>
    private const int MaxDepth = 32;

    /// <summary>The open nodes from the root to the deepest, each a child of the one before. Depths follow from the counts.</summary>
    private readonly List<List<DagEntry>> _open = [[]];

    /// <inheritdoc/>
    public IReadOnlyList<List<DagEntry>> Levels => _open;

    /// <inheritdoc/>
    public int MaxEntries => maxChildren + (Repeat * MaxDepth);

    /// <inheritdoc/>
    public long Blocks { get; private set; }

    /// <inheritdoc/>
    public bool EmptyIsLeaf => false;

    /// <inheritdoc/>
    public bool IsSingleLeaf => false;

    /// <inheritdoc/>
    public void AddLeaf(in DagEntry leaf)
    {
        Blocks++;
        while (_open[^1].Count >= maxChildren)
        {
            if (_open[^1].Count < Capacity(_open.Count - 1))
            {
                _open.Add([]);
            }
            else
            {
                Close();
            }
        }

        _open[^1].Add(leaf);
    }

    /// <inheritdoc/>
    public bool TryRestore(List<List<DagEntry>> levels, long blocks)
    {
        if (levels.Count == 0)
        {
            return false;
        }

        _open.Clear();
        _open.AddRange(levels);
        Blocks = blocks;
        for (int i = 1; i < _open.Count; i++)
        {
            // The parent of an open node has all its leaves and room for the node, which has at least one leaf.
            if (_open[i - 1].Count < maxChildren || _open[i - 1].Count >= Capacity(i - 1) || _open[i].Count == 0)
            {
                return false;
            }
        }

        return _open[^1].Count <= Capacity(_open.Count - 1);
    }

    /// <inheritdoc/>
    public IEnumerable<Cid> Leaves(Func<Cid, Cid[]> children) =>
        _open.SelectMany(node => LeavesOf(node.Select(entry => entry.Cid), children));

    /// <inheritdoc/>
    public DagEntry Finish(uint? mode, UnixFsTime? mtime)
    {
        while (_open.Count > 1)
        {
            Close();
        }

        Blocks++;
        return writer.PutNode(_open[0], mode, mtime);
    }

    private IEnumerable<Cid> LeavesOf(IEnumerable<Cid> node, Func<Cid, Cid[]> children) =>
        node.SelectMany((child, index) => index < maxChildren ? [child] : LeavesOf(children(child), children));

    /// <summary>The most entries of an open node.</summary>
    private int Capacity(
        int index) => index == 0 ? int.MaxValue : maxChildren + (Repeat * ((_open[index - 1].Count - maxChildren) / Repeat));

    /// <summary>Writes the deepest open node and adds it to its parent.</summary>
    private void Close()
    {
        DagEntry node = writer.PutNode(_open[^1], null, null);
        _open.RemoveAt(_open.Count - 1);
        _open[^1].Add(node);
        Blocks++;
    }
}
