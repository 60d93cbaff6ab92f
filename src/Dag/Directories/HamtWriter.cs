using System.Globalization;
using System.Text;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.Import;
using Ipcs.Dag.UnixFs;

namespace Ipcs.Dag.Directories;

/// <summary>Writes the shards of a directory, the deepest first. The hashes of the names determine the shards.</summary>
/// <param name="put">Stores a node; called with the number of blocks below it.</param>
internal sealed class HamtWriter(Func<DagPbNode, long, DagRoot> put)
{
    private readonly record struct Entry(ulong Hash, string Name, DagRoot Child);

    public DagRoot Write(IEnumerable<KeyValuePair<string, DagRoot>> entries, uint? mode, UnixFsTime? mtime)
    {
        Entry[] sorted = [.. entries.Select(pair => new Entry(Murmur3.Hash64(Encoding.UTF8.GetBytes(pair.Key)), pair.Key, pair.Value))];
        Array.Sort(sorted, static (left, right) => left.Hash.CompareTo(right.Hash));
        return Write(sorted, 0, mode, mtime);
    }

    private DagRoot Write(ReadOnlySpan<Entry> entries, int depth, uint? mode, UnixFsTime? mtime)
    {
        if (depth == Hamt.MaxDepth(Hamt.Fanout))
        {
            throw new ArgumentException($"the names '{entries[0].Name}' and '{entries[1].Name}' have the same hash");
        }

        var links = new List<DagPbLink>(Math.Min(entries.Length, Hamt.Fanout));
        byte[] bits = new byte[Hamt.Fanout / 8];
        long blocks = 0;
        while (!entries.IsEmpty)
        {
            int slot = Hamt.Slot(entries[0].Hash, Hamt.Fanout, depth);
            int same = 1;
            while (same < entries.Length && Hamt.Slot(entries[same].Hash, Hamt.Fanout, depth) == slot)
            {
                same++;
            }

            string prefix = slot.ToString("X2", CultureInfo.InvariantCulture);
            DagRoot child = same == 1 ? entries[0].Child : Write(entries[..same], depth + 1, null, null);
            links.Add(new DagPbLink(child.Root, same == 1 ? prefix + entries[0].Name : prefix, (ulong)child.DagSize));
            blocks += child.Blocks;
            bits[^((slot / 8) + 1)] |= (byte)(1 << (slot % 8));
            entries = entries[same..];
        }

        var data = new UnixFsData
        {
            Type = UnixFsType.HamtShard,
            Data = bits.AsSpan().TrimStart((byte)0).ToArray(),
            HashType = Hamt.HashType,
            Fanout = Hamt.Fanout,
            Mode = mode,
            MTime = mtime,
        };
        return put(new DagPbNode(links, data.Encode()), blocks);
    }
}
