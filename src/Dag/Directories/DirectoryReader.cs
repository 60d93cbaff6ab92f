using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.Read;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Directories;

/// <summary>Reads directories of any origin, sharded or not.</summary>
public static class DirectoryReader
{
    /// <summary>The most entries listed of one directory: a malicious sharded one can have any number.</summary>
    public const int MaxEntries = 1 << 22;

    /// <summary>The number of shards requested ahead.</summary>
    private const int ReadAhead = 16;

    /// <summary>
    /// The entries of a directory, in the block's order or, when it is sharded, in the order of their names' hashes.
    /// </summary>
    /// <exception cref="BlockNotFoundException">A block cannot be found.</exception>
    /// <exception cref="DagFormatException">It is not a directory, or has illegal names.</exception>
    public static async IAsyncEnumerable<DirectoryEntry> ListAsync(
        Cid directory, IBlockSource source, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        (DagPbNode node, UnixFsData data) = await GetAsync(directory, source, cancellationToken);
        if (data.Type == UnixFsType.HamtShard)
        {
            await foreach (DirectoryEntry entry in ListShardsAsync(
                directory, HamtShard.Parse(directory, node, data, 0), source, cancellationToken))
            {
                yield return entry;
            }

            yield break;
        }

        CheckType(directory, data);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (DagPbLink link in node.Links)
        {
            yield return seen.Add(link.Name)
                ? Entry(directory, link, link.Name)
                : throw new DagFormatException($"directory {directory} has the name '{link.Name}' twice");
        }
    }

    /// <summary>The entry with a name; null when there is none.</summary>
    /// <exception cref="BlockNotFoundException">A block cannot be found.</exception>
    /// <exception cref="DagFormatException">It is not a directory.</exception>
    public static async Task<DirectoryEntry?> FindAsync(
        Cid directory, string name, IBlockSource source, CancellationToken cancellationToken)
    {
        (DagPbNode node, UnixFsData data) = await GetAsync(directory, source, cancellationToken);
        if (data.Type != UnixFsType.HamtShard)
        {
            CheckType(directory, data);
            foreach (DagPbLink link in node.Links)
            {
                if (link.Name == name)
                {
                    return Entry(directory, link, name);
                }
            }

            return null;
        }

        ulong hash = Murmur3.Hash64(Encoding.UTF8.GetBytes(name));
        Cid at = directory;
        HamtShard shard = HamtShard.Parse(at, node, data, 0);
        for (int depth = 0; ; depth++)
        {
            int index = shard.Find(Hamt.Slot(hash, shard.Fanout, depth));
            if (index < 0)
            {
                return null;
            }

            DagPbLink link = shard.Links[index];
            if (!shard.IsShard(index))
            {
                return shard.EntryName(at, index, depth) == name ? Entry(at, link, name) : null;
            }

            CheckDepth(directory, depth + 1, shard.Fanout);
            at = link.Cid;
            (node, data) = await GetAsync(at, source, cancellationToken);
            shard = SubShard(at, node, data, shard.Fanout);
        }
    }

    private static async IAsyncEnumerable<DirectoryEntry> ListShardsAsync(
        Cid root, HamtShard rootShard, IBlockSource source, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var ahead = new ReadAhead(source, source is LocalBlockSource ? 0 : ReadAhead);
        var pending = new Stack<(Cid Cid, HamtShard Shard, int Index, int Depth)>();
        pending.Push((root, rootShard, 0, 0));
        int listed = 0;
        while (pending.TryPop(out (Cid Cid, HamtShard Shard, int Index, int Depth) at))
        {
            (Cid cid, HamtShard shard, int index, int depth) = at;
            if (index == shard.Links.Length)
            {
                continue;
            }

            pending.Push((cid, shard, index + 1, depth));
            if (!shard.IsShard(index))
            {
                if (++listed > MaxEntries)
                {
                    throw new DagFormatException($"directory {root} has more than {MaxEntries} entries");
                }

                yield return Entry(cid, shard.Links[index], shard.EntryName(cid, index, depth));
                continue;
            }

            CheckDepth(root, depth + 1, shard.Fanout);
            for (int i = index + 1; i < shard.Links.Length && ahead.HasRoom; i++)
            {
                if (shard.IsShard(i))
                {
                    ahead.Ask(shard.Links[i].Cid);
                }
            }

            Cid child = shard.Links[index].Cid;
            using IMemoryOwner<byte> block = await ahead.TakeAsync(child, cancellationToken);
            (DagPbNode node, UnixFsData data) = UnixFsBlock.Parse(child, block.Memory.Span);
            pending.Push((child, SubShard(child, node, data, shard.Fanout), 0, depth + 1));
        }
    }

    private static async ValueTask<(
        DagPbNode Node, UnixFsData Data)> GetAsync(Cid cid, IBlockSource source, CancellationToken cancellationToken)
    {
        if (cid.Codec != Multicodec.DagPb)
        {
            throw new DagFormatException($"{cid} is not a directory");
        }

        using IMemoryOwner<byte> block = await BlockGetter.GetAsync(source, cid, cancellationToken);
        return UnixFsBlock.Parse(cid, block.Memory.Span);
    }

    private static void CheckType(Cid cid, UnixFsData data)
    {
        if (data.Type != UnixFsType.Directory)
        {
            throw new DagFormatException($"{cid} is a UnixFS {data.Type}, not a directory");
        }
    }

    private static void CheckDepth(Cid root, int depth, int fanout)
    {
        if (depth >= Hamt.MaxDepth(fanout))
        {
            throw new DagFormatException($"directory {root} has shards deeper than its hash has bits");
        }
    }

    private static HamtShard SubShard(Cid cid, DagPbNode node, UnixFsData data, int fanout) => data.Type == UnixFsType.HamtShard
        ? HamtShard.Parse(cid, node, data, fanout)
        : throw new DagFormatException($"{cid} is a UnixFS {data.Type} where a shard should be");

    private static DirectoryEntry Entry(Cid directory, in DagPbLink link, string name) => EntryName.Problem(name) is { } problem
        ? throw new DagFormatException($"directory {directory} has an entry whose name '{name}' {problem}")
        : new DirectoryEntry(name, link.Cid, link.Tsize);
}
