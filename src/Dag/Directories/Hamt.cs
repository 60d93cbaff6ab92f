using System.Numerics;

namespace Ipcs.Dag.Directories;

/// <summary>
/// Constants and arithmetic of sharded directories. Each level takes the next bits of a name's hash, the highest first, as the name's slot.
/// A link's name is the slot in upper-case hex, followed by the entry's name, or by nothing when the link leads to a shard.
/// Spec: https://specs.ipfs.tech/unixfs/, section HAMTDirectory.
/// </summary>
internal static class Hamt
{
    /// <summary>murmur3-x64-64.</summary>
    public const ulong HashType = 0x22;

    /// <summary>The number of slots of a written shard.</summary>
    public const int Fanout = 256;

    /// <summary>The most slots of a shard that is read, as in boxo.</summary>
    public const int MaxFanout = 1024;

    /// <summary>The depth at which the hash has no bits left.</summary>
    public static int MaxDepth(int fanout) => 64 / BitOperations.Log2((uint)fanout);

    /// <summary>The slot of a hash at a depth (0 is the root).</summary>
    public static int Slot(ulong hash, int fanout, int depth)
    {
        int bits = BitOperations.Log2((uint)fanout);
        return (int)(hash << (bits * depth) >> (64 - bits));
    }

    /// <summary>The number of hex digits of a slot in link names.</summary>
    public static int PrefixLength(int fanout) => (BitOperations.Log2((uint)(fanout - 1)) / 4) + 1;
}
