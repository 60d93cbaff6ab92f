using System.Buffers.Binary;
using System.Diagnostics;
using System.Security.Cryptography;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>
/// A set of blocks, stored as fingerprints of 128 bits: 21 to 43 bytes per block, so 90 to 180 MB for a tebibyte in blocks of 256 KiB. Two
/// blocks have the same fingerprint only if 128 bits of a SHA-2 hash collide. Blocks cannot be removed. Not thread-safe.
/// </summary>
public sealed class BlockSet
{
    // Segments grow one by one, so that growing never needs twice the memory of the whole set.
    private const int Segments = 64;
    private const int FirstLength = 16;

    private readonly UInt128[]?[] _segments = new UInt128[Segments][];
    private readonly int[] _counts = new int[Segments];

    /// <summary>The number of blocks.</summary>
    public int Count { get; private set; }

    /// <summary>Adds a block. False when the set has it.</summary>
    public bool Add(in Multihash hash)
    {
        UInt128 print = Fingerprint(hash);
        int segment = SegmentOf(print);
        UInt128[] slots = _segments[segment] ??= new UInt128[FirstLength];
        int slot = Find(slots, print);
        if (slots[slot] == print)
        {
            return false;
        }

        if (_counts[segment] >= slots.Length * 3 / 4)
        {
            slots = _segments[segment] = Grow(slots);
            slot = Find(slots, print);
        }

        slots[slot] = print;
        _counts[segment]++;
        Count++;
        return true;
    }

    /// <summary>True when the set has the block.</summary>
    public bool Contains(in Multihash hash)
    {
        UInt128 print = Fingerprint(hash);
        return _segments[SegmentOf(print)] is { } slots && slots[Find(slots, print)] == print;
    }

    // A SHA-2 digest is as good as random. Digests of other functions (identity, for one) can be chosen freely and are hashed.
    private static UInt128 Fingerprint(in Multihash hash)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        if (hash.Code is Multihash.Sha2_256 or Multihash.Sha2_384 or Multihash.Sha2_512 && hash.DigestLength >= digest.Length)
        {
            hash.Digest[..digest.Length].CopyTo(digest);
        }
        else
        {
            Span<byte> bytes = stackalloc byte[Multihash.MaxLength];
            SHA256.HashData(bytes[..hash.Write(bytes)], digest);
        }

        ulong kind = ((ulong)hash.Code << 8) | (byte)hash.DigestLength;
        UInt128 print = new(BinaryPrimitives.ReadUInt64LittleEndian(digest) ^ kind, BinaryPrimitives.ReadUInt64LittleEndian(digest[8..]));

        // 0 marks an empty slot.
        return print == UInt128.Zero ? UInt128.One : print;
    }

    private static int SegmentOf(UInt128 print) => (int)(ulong)print & (Segments - 1);

    // The slot of the fingerprint, or the empty slot where it is to be put (linear probing).
    private static int Find(UInt128[] slots, UInt128 print)
    {
        Debug.Assert((slots.Length & (slots.Length - 1)) == 0, "a segment's length is a power of two");
        int slot = (int)((ulong)print >> 6) & (slots.Length - 1);
        while (slots[slot] != UInt128.Zero && slots[slot] != print)
        {
            slot = (slot + 1) & (slots.Length - 1);
        }

        return slot;
    }

    private static UInt128[] Grow(UInt128[] slots)
    {
        UInt128[] larger = new UInt128[slots.Length * 2];
        foreach (UInt128 print in slots)
        {
            if (print != UInt128.Zero)
            {
                larger[Find(larger, print)] = print;
            }
        }

        return larger;
    }
}
