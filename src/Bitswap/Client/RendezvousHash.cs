using System.Buffers.Binary;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>
/// Which of those who fetch the same takes which block from the source first: the one with the highest mark for it. All of them reckon the same without
/// a word between them (rendezvous hashing, https://en.wikipedia.org/wiki/Rendezvous_hashing), so that the source is asked for each block by one.
/// </summary>
internal static class RendezvousHash
{
    /// <summary>A peer's mark for a block.</summary>
    public static ulong Score(in PeerId peer, in Multihash block) => Mix(Tail(peer.Hash) ^ Mix(Tail(block)));

    // Keys begin alike, hashes end at random; both end in what tells them apart.
    private static ulong Tail(in Multihash hash)
    {
        ReadOnlySpan<byte> digest = hash.Digest;
        Span<byte> last = stackalloc byte[8];
        last.Clear();
        digest[^Math.Min(8, digest.Length)..].CopyTo(last);
        return BinaryPrimitives.ReadUInt64LittleEndian(last);
    }

    // The finalizer of MurmurHash3: every bit of the input changes half of the output's.
    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 33)) * 0xff51afd7ed558ccd;
        value = (value ^ (value >> 33)) * 0xc4ceb9fe1a85ec53;
        return value ^ (value >> 33);
    }
}
