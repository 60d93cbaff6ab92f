using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Import;

/// <summary>
/// The balanced layout, built bottom-up. Reference: https://github.com/ipfs/boxo/blob/main/ipld/unixfs/importer/balanced/builder.go.
/// Level 0 has leaves, level 1 nodes over leaves, and so on. A full level becomes one node of the next level only when another entry is
/// added, so that the last node can still be the root.
/// </summary>
internal sealed class BalancedLayout(LeafWriter writer, int maxChildren) : ILayout
{
    /// <summary>Nodes have at least two children, and file sizes have 63 bits.</summary>
    public const int MaxLevels = 64;

    private readonly List<List<DagEntry>> _levels = [];

    /// <inheritdoc/>
    public IReadOnlyList<List<DagEntry>> Levels => _levels;

    /// <inheritdoc/>
    public int MaxEntries => maxChildren;

    /// <inheritdoc/>
    public long Blocks { get; private set; }

    /// <inheritdoc/>
    public bool EmptyIsLeaf => true;

    /// <inheritdoc/>
    public bool IsSingleLeaf => _levels.Count == 1 && _levels[0].Count == 1;

    /// <inheritdoc/>
    public void AddLeaf(in DagEntry leaf)
    {
        Blocks++;
        Add(0, leaf);
    }

    /// <inheritdoc/>
    public bool TryRestore(List<List<DagEntry>> levels, long blocks)
    {
        _levels.AddRange(levels);
        Blocks = blocks;
        return levels.Count == 0 || levels[^1].Count > 0;
    }

    /// <inheritdoc/>
    public IEnumerable<Cid> Leaves(Func<Cid, Cid[]> children)
    {
        for (int level = _levels.Count - 1; level >= 0; level--)
        {
            foreach (DagEntry entry in _levels[level])
            {
                foreach (Cid leaf in LeavesBelow(entry.Cid, level, children))
                {
                    yield return leaf;
                }
            }
        }
    }

    /// <inheritdoc/>
    public DagEntry Finish(uint? mode, UnixFsTime? mtime)
    {
        for (int i = 0; ; i++)
        {
            bool top = i == _levels.Count - 1;
            if (top && _levels[i].Count == 1)
            {
                return _levels[i][0];
            }

            // The node of the top level is the root, which has the metadata.
            Flush(i, top ? mode : null, top ? mtime : null);
        }
    }

    private static IEnumerable<Cid> LeavesBelow(Cid cid, int level, Func<Cid, Cid[]> children) =>
        level == 0 ? [cid] : children(cid).SelectMany(child => LeavesBelow(child, level - 1, children));

    private void Add(int level, in DagEntry entry)
    {
        if (level == _levels.Count)
        {
            _levels.Add(new List<DagEntry>(Math.Min(maxChildren, 16)));
        }
        else if (_levels[level].Count == maxChildren)
        {
            Flush(level, null, null);
        }

        _levels[level].Add(entry);
    }

    private void Flush(int level, uint? mode, UnixFsTime? mtime)
    {
        DagEntry node = writer.PutNode(_levels[level], mode, mtime);
        _levels[level].Clear();
        Blocks++;
        Add(level + 1, node);
    }
}
