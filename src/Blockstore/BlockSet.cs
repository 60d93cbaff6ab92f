using System.Buffers.Binary;
using System.Security.Cryptography;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>
/// A set of blocks as fingerprints of 128 bits: 21 to 43 bytes a block, so some 90 to 180 MB for a tebibyte in blocks of 256 KiB. Two blocks
/// with one fingerprint would have to collide in 128 bits of SHA-2. Nothing is ever taken out. One thread at a time.
/// </summary>
public sealed class BlockSet
{
    // Grown one by one, so that growing never needs the whole set twice.
    private const int Segments = 64;
    private const int FirstLength = 16;

    private readonly UInt128[]?[] _segments = new UInt128[Segments][];
    private readonly int[] _counts = new int[Segments];

    /// <summary>How many blocks it has.</summary>
    public int Count { get; private set; }

    /// <summary>Adds a block. False when it was there.</summary>
    public bool Add(in Multihash hash)
    {
        UInt128 print = Fingerprint(hash);
        int segment = SegmentOf(print);
        UInt128[] slots = _segments[segment] ??= new UInt128[FirstLength];
        int slot = Find(slots, print);
        if (slots[slot] == print)
            return false;
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

    /// <summary>True when it has the block.</summary>
    public bool Contains(in Multihash hash)
    {
        UInt128 print = Fingerprint(hash);
        return _segments[SegmentOf(print)] is { } slots && slots[Find(slots, print)] == print;
    }

    // The digest itself is as good as random where it is a SHA-2; anything else could be made to collide, and is hashed.
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

        // 0 is an empty slot.
        return print == UInt128.Zero ? UInt128.One : print;
    }

    private static int SegmentOf(UInt128 print) => (int)(ulong)print & (Segments - 1);

    // Where it is, or the empty slot where it belongs.
    private static int Find(UInt128[] slots, UInt128 print)
    {
        int slot = (int)((ulong)print >> 6) & (slots.Length - 1);
        while (slots[slot] != UInt128.Zero && slots[slot] != print)
            slot = (slot + 1) & (slots.Length - 1);
        return slot;
    }

    private static UInt128[] Grow(UInt128[] slots)
    {
        UInt128[] larger = new UInt128[slots.Length * 2];
        foreach (UInt128 print in slots)
        {
            if (print != UInt128.Zero)
                larger[Find(larger, print)] = print;
        }

        return larger;
    }
}
