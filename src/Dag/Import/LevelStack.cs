using Ipcs.Dag.UnixFs;

namespace Ipcs.Dag.Import;

/// <summary>
/// The balanced layout, built from below: level 0 holds leaves, level 1 nodes over leaves, and so on. A full level becomes one node
/// of the next when another entry comes, so that the last one can still be the root.
/// </summary>
internal sealed class LevelStack(LeafWriter writer, int maxChildren)
{
    /// <summary>Levels hold at least two entries each, and no file is longer than 63 bits say.</summary>
    public const int MaxLevels = 64;

    private readonly List<List<DagEntry>> _levels = [];

    /// <summary>From the leaves up.</summary>
    public IReadOnlyList<List<DagEntry>> Levels => _levels;

    /// <summary>How many blocks are below and in the levels, each as often as it is linked.</summary>
    public long Blocks { get; private set; }

    /// <summary>Takes the next leaf.</summary>
    public void AddLeaf(in DagEntry leaf)
    {
        Blocks++;
        Add(0, leaf);
    }

    /// <summary>Puts a level back as it was; levels come from the leaves up.</summary>
    public void Restore(List<List<DagEntry>> levels, long blocks)
    {
        _levels.AddRange(levels);
        Blocks = blocks;
    }

    /// <summary>Closes all levels and returns the root. There is at least one leaf.</summary>
    public DagEntry Finish(uint? mode, UnixFsTime? mtime)
    {
        for (int i = 0; ; i++)
        {
            bool top = i == _levels.Count - 1;
            if (top && _levels[i].Count == 1)
            {
                return _levels[i][0];
            }

            // The top level's node is the root, and the root has the metadata.
            Flush(i, top ? mode : null, top ? mtime : null);
        }
    }

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
