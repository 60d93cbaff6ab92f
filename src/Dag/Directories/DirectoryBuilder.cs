using System.Text;
using Ipcs.Blockstore;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.Import;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Directories;

/// <summary>
/// Builds one UnixFS directory: a single node, or a HAMT when the node would be too large, as Kubo does.
/// Spec: https://specs.ipfs.tech/unixfs/, sections Directory and HAMTDirectory. Entries may be added in any order. For one caller at a
/// time.
/// </summary>
public sealed class DirectoryBuilder
{
    /// <summary>
    /// The most entries. They are in memory until the directory is stored: about 250 bytes and the name each, 256 MB in total.
    /// </summary>
    public const int MaxEntries = 1 << 20;

    /// <summary>
    /// A directory whose names and CIDs have more bytes than this is sharded: 256 KiB. Kubo counts the same bytes and has the same default.
    /// </summary>
    public const int DefaultShardThreshold = 256 << 10;

    private readonly IBlockstore _store;
    private readonly int _cidVersion;
    private readonly int _threshold;
    private readonly Dictionary<string, DagRoot> _entries = new(StringComparer.Ordinal);
    private long _size;

    /// <summary>Starts a directory.</summary>
    /// <param name="store">Takes its blocks.</param>
    /// <param name="profile">Has the version of its CIDs.</param>
    /// <param name="shardThreshold">The most bytes of names and CIDs of a directory that is not sharded.</param>
    public DirectoryBuilder(IBlockstore store, ImportProfile profile, int shardThreshold = DefaultShardThreshold)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(shardThreshold);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(shardThreshold, DefaultShardThreshold);
        _store = store;
        _cidVersion = profile.Checked().CidVersion;
        _threshold = shardThreshold;
    }

    /// <summary>The number of entries.</summary>
    public int Count => _entries.Count;

    /// <summary>True when an entry has that name.</summary>
    public bool Has(string name) => _entries.ContainsKey(name);

    /// <summary>Adds an entry.</summary>
    /// <exception cref="ArgumentException">
    /// The name is not legal or exists already, or the directory has <see cref="MaxEntries"/> entries.
    /// </exception>
    public void Add(string name, in DagRoot child)
    {
        if (EntryName.Problem(name) is { } problem)
        {
            throw new ArgumentException($"the name '{name}' {problem}");
        }

        if (_entries.Count == MaxEntries)
        {
            throw new ArgumentException($"a directory has more than {MaxEntries} entries");
        }

        if (!_entries.TryAdd(name, child))
        {
            throw new ArgumentException($"the name '{name}' exists already in the directory");
        }

        _size += Encoding.UTF8.GetByteCount(name) + child.Root.Length;
    }

    /// <summary>Stores the directory. The result has size 0; its DAG size and blocks include everything below.</summary>
    public DagRoot Finish() => Finish(null, null);

    /// <summary>Stores the directory with POSIX metadata.</summary>
    /// <exception cref="ArgumentException">Too many names have the same hash for a HAMT.</exception>
    public DagRoot Finish(uint? mode, UnixFsTime? mtime)
    {
        if (_size > _threshold)
        {
            return new HamtWriter(PutNode).Write(_entries, mode, mtime);
        }

        long blocks = 0;
        var links = new List<DagPbLink>(_entries.Count);
        foreach ((string name, DagRoot child) in _entries)
        {
            links.Add(new DagPbLink(child.Root, name, (ulong)child.DagSize));
            blocks += child.Blocks;
        }

        return PutNode(new DagPbNode(links, new UnixFsData { Type = UnixFsType.Directory, Mode = mode, MTime = mtime }.Encode()), blocks);
    }

    /// <summary>Stores a symbolic link.</summary>
    /// <exception cref="ArgumentException">The target is empty or longer than a path can be.</exception>
    public static DagRoot PutSymlink(IBlockstore store, ImportProfile profile, string target, uint? mode = null, UnixFsTime? mtime = null)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(target);
        if (bytes.Length is 0 or > MaxTargetLength || target.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException($"a symbolic link's target has 1 to {MaxTargetLength} bytes, none of them zero");
        }

        var data = new UnixFsData { Type = UnixFsType.Symlink, Data = bytes, Mode = mode, MTime = mtime };
        return Put(store, profile.Checked().CidVersion, new DagPbNode([], data.Encode()), 0);
    }

    /// <summary>The longest target of a symbolic link, in bytes: Linux's PATH_MAX.</summary>
    public const int MaxTargetLength = 4096;

    private DagRoot PutNode(DagPbNode node, long blocksBelow) => Put(_store, _cidVersion, node, blocksBelow);

    private static DagRoot Put(IBlockstore store, int cidVersion, DagPbNode node, long blocksBelow)
    {
        byte[] block = node.Encode();
        Multihash hash = Multihash.Sha256(block);
        store.Put(hash, block);
        long size = block.Length;
        foreach (DagPbLink link in node.Links)
        {
            size = checked(size + (long)link.Tsize);
        }

        return new DagRoot(cidVersion == 0 ? Cid.V0(hash) : Cid.V1(Multicodec.DagPb, hash), 0, size, blocksBelow + 1);
    }
}
