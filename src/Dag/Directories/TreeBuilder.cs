using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Dag.UnixFs;

namespace Ipcs.Dag.Directories;

/// <summary>
/// Builds a tree of directories from files with paths, depth first. A directory is stored when the next path is outside of it, so that only
/// the entries of open directories are in memory. For one caller at a time.
/// </summary>
public sealed class TreeBuilder
{
    /// <summary>The deepest path: more levels than file systems allow (PATH_MAX is 4096 characters, two for each level).</summary>
    public const int MaxDepth = 2048;

    /// <summary>The most entries of all open directories together.</summary>
    public const int MaxOpenEntries = DirectoryBuilder.MaxEntries;

    private readonly IBlockstore _store;
    private readonly ImportProfile _profile;
    private readonly int _shardThreshold;
    private readonly List<Open> _open = [];
    private int _openEntries;
    private bool _finished;

    /// <summary>Creates an empty tree.</summary>
    /// <param name="store">Takes the blocks of directories and symbolic links.</param>
    /// <param name="profile">Has the version of their CIDs.</param>
    /// <param name="shardThreshold">As in <see cref="DirectoryBuilder"/>.</param>
    public TreeBuilder(IBlockstore store, ImportProfile profile, int shardThreshold = DirectoryBuilder.DefaultShardThreshold)
    {
        _store = store;
        _profile = profile;
        _shardThreshold = shardThreshold;
        _open.Add(new Open("", new DirectoryBuilder(store, profile, shardThreshold)));
    }

    /// <summary>Called after each directory is stored, with its path (<c>""</c> for the root), the deepest first.</summary>
    public Action<string, DagRoot>? OnDirectory { get; init; }

    /// <summary>Adds a file that has been imported, or any other DAG.</summary>
    /// <exception cref="ArgumentException">The path is not legal, exists already, or is in a directory that was stored.</exception>
    public void AddFile(string path, in DagRoot file)
    {
        string[] names = Names(path);
        if (names.Length == 0)
        {
            throw new ArgumentException("a file needs a name");
        }

        Add(Enter(names.AsSpan(0, names.Length - 1)), names[^1], file);
    }

    /// <summary>Adds a symbolic link and returns its block.</summary>
    /// <exception cref="ArgumentException">As for <see cref="AddFile"/>, or the target is not legal.</exception>
    public DagRoot AddSymlink(string path, string target, uint? mode = null, UnixFsTime? mtime = null)
    {
        DagRoot link = DirectoryBuilder.PutSymlink(_store, _profile, target, mode, mtime);
        AddFile(path, link);
        return link;
    }

    /// <summary>Adds a directory, which may stay empty, with its metadata. <c>""</c> is the root.</summary>
    /// <exception cref="ArgumentException">The path is not legal, exists already, or is in a directory that was stored.</exception>
    public void AddDirectory(string path, uint? mode = null, UnixFsTime? mtime = null)
    {
        Open directory = Enter(Names(path));
        directory.Mode = mode;
        directory.MTime = mtime;
    }

    /// <summary>Stores all open directories and returns the root.</summary>
    /// <exception cref="InvalidOperationException">The tree is finished.</exception>
    public DagRoot Finish()
    {
        ThrowIfFinished();
        _finished = true;
        while (_open.Count > 1)
        {
            Close();
        }

        DagRoot root = _open[0].Builder.Finish(_open[0].Mode, _open[0].MTime);
        OnDirectory?.Invoke("", root);
        return root;
    }

    private string[] Names(string path)
    {
        ThrowIfFinished();
        string[] names = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        foreach (string name in names)
        {
            if (EntryName.Problem(name) is { } problem)
            {
                throw new ArgumentException($"in the path '{path}', the name '{name}' {problem}");
            }
        }

        return names.Length <= MaxDepth ? names : throw new ArgumentException($"a path has more than {MaxDepth} names");
    }

    /// <summary>Stores the open directories that the path is not in, opens those that it is in, and returns the last.</summary>
    private Open Enter(ReadOnlySpan<string> names)
    {
        int common = 0;
        while (common < names.Length && common + 1 < _open.Count && _open[common + 1].Name == names[common])
        {
            common++;
        }

        while (_open.Count > common + 1)
        {
            Close();
        }

        foreach (string name in names[common..])
        {
            // A directory that was stored cannot be opened again: its entries are no longer in memory.
            if (_open[^1].Builder.Has(name))
            {
                throw new ArgumentException($"'{name}' comes a second time: paths must come depth first");
            }

            _open.Add(new Open(name, new DirectoryBuilder(_store, _profile, _shardThreshold)));
        }

        return _open[^1];
    }

    private void Close()
    {
        Open last = _open[^1];
        DagRoot root = last.Builder.Finish(last.Mode, last.MTime);
        OnDirectory?.Invoke(string.Join('/', _open.Skip(1).Select(open => open.Name)), root);
        _openEntries -= last.Builder.Count;
        _open.RemoveAt(_open.Count - 1);
        Add(_open[^1], last.Name, root);
    }

    private void Add(Open directory, string name, in DagRoot child)
    {
        if (_openEntries == MaxOpenEntries)
        {
            throw new ArgumentException($"more than {MaxOpenEntries} entries are in directories that are open at once");
        }

        directory.Builder.Add(name, child);
        _openEntries++;
    }

    private void ThrowIfFinished()
    {
        if (_finished)
        {
            throw new InvalidOperationException("the tree is finished");
        }
    }

    private sealed class Open(string name, DirectoryBuilder builder)
    {
        public string Name => name;

        public DirectoryBuilder Builder => builder;

        public uint? Mode { get; set; }

        public UnixFsTime? MTime { get; set; }
    }
}
