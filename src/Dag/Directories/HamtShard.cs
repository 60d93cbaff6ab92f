using System.Globalization;
using System.Numerics;
using System.Text;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Directories;

/// <summary>A decoded shard of a directory, whose bit field, slots and links are consistent.</summary>
internal sealed class HamtShard
{
    private readonly int[] _slots;

    private HamtShard(int fanout, DagPbLink[] links, int[] slots)
    {
        Fanout = fanout;
        Links = links;
        _slots = slots;
    }

    public int Fanout { get; }

    /// <summary>The links, with the names in the block.</summary>
    public DagPbLink[] Links { get; }

    /// <summary>Decodes the shard at a depth (0 is the root). All shards have the root's fan-out.</summary>
    /// <exception cref="DagFormatException">It is not a shard of such a directory.</exception>
    public static HamtShard Parse(Cid cid, DagPbNode node, UnixFsData data, int rootFanout)
    {
        if (data.HashType != Hamt.HashType || data.Fanout is not { } f || f is < 8 or > Hamt.MaxFanout || !BitOperations.IsPow2(f))
        {
            throw new DagFormatException(
                $"shard {cid} has the hash type {data.HashType} and fan-out {data.Fanout}, "
                + $"not murmur3 and a power of two from 8 to {Hamt.MaxFanout}");
        }

        int fanout = (int)f;
        if (rootFanout != 0 && fanout != rootFanout)
        {
            throw new DagFormatException($"shard {cid} has a fan-out of {fanout}, but its directory has {rootFanout}");
        }

        byte[] bits = data.Data ?? [];
        int set = bits.Sum(b => BitOperations.PopCount(b));
        DagPbLink[] links = [.. node.Links];
        if (bits.Length > fanout / 8 || set != links.Length)
        {
            throw new DagFormatException($"shard {cid} has {links.Length} links, but {set} bits in {bits.Length} bytes");
        }

        int[] slots = new int[links.Length];
        for (int slot = 0, next = 0; next < slots.Length; slot++)
        {
            int at = bits.Length - 1 - (slot / 8);
            if ((bits[at] & (1 << (slot % 8))) != 0)
            {
                slots[next] = slot;
                CheckPrefix(cid, links[next++].Name, slot, fanout);
            }
        }

        return new HamtShard(fanout, links, slots);
    }

    /// <summary>True when the link leads to a shard rather than an entry.</summary>
    public bool IsShard(int index) => Links[index].Name.Length == Hamt.PrefixLength(Fanout);

    /// <summary>The name of an entry. Its hash must give this slot, so that no name occurs twice.</summary>
    /// <exception cref="DagFormatException">The entry is in the wrong slot.</exception>
    public string EntryName(Cid cid, int index, int depth)
    {
        string name = Links[index].Name[Hamt.PrefixLength(Fanout)..];
        return Hamt.Slot(Murmur3.Hash64(Encoding.UTF8.GetBytes(name)), Fanout, depth) == _slots[index]
            ? name
            : throw new DagFormatException($"shard {cid} has the entry '{name}' in the wrong slot");
    }

    /// <summary>The index of the link in a slot; -1 when the slot is empty.</summary>
    public int Find(int slot) => Math.Max(Array.BinarySearch(_slots, slot), -1);

    private static void CheckPrefix(Cid cid, string name, int slot, int fanout)
    {
        int length = Hamt.PrefixLength(fanout);
        if (name.Length < length || !name.AsSpan(0, length).SequenceEqual(slot.ToString($"X{length}", CultureInfo.InvariantCulture)))
        {
            throw new DagFormatException($"shard {cid} has the link '{name}' in slot {slot}");
        }
    }
}
