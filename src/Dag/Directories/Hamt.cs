using System.Numerics;

namespace Ipcs.Dag.Directories;

/// <summary>
/// The facts of sharded directories: each level of shards takes the next bits of a name's hash, from the top, as the name's slot; a link's name
/// is the slot in upper-case hex, followed by the entry's name, or by nothing when it leads to a shard.
/// Spec: https://specs.ipfs.tech/unixfs/, section HAMTDirectory.
/// </summary>
internal static class Hamt
{
    /// <summary>murmur3-x64-64.</summary>
    public const ulong HashType = 0x22;

    /// <summary>Slots of a shard that we write.</summary>
    public const int Fanout = 256;

    /// <summary>Slots of the widest shard read, as in boxo.</summary>
    public const int MaxFanout = 1024;

    /// <summary>Shards in each other before the hash has no bits left.</summary>
    public static int MaxDepth(int fanout) => 64 / BitOperations.Log2((uint)fanout);

    /// <summary>The slot of a hash at a depth (0 is the root).</summary>
    public static int Slot(ulong hash, int fanout, int depth)
    {
        int bits = BitOperations.Log2((uint)fanout);
        return (int)(hash << (bits * depth) >> (64 - bits));
    }

    /// <summary>Hex digits of a slot in link names.</summary>
    public static int PrefixLength(int fanout) => (BitOperations.Log2((uint)(fanout - 1)) / 4) + 1;
}
