using System.Buffers.Binary;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>
/// Rendezvous hashing (https://en.wikipedia.org/wiki/Rendezvous_hashing): of the peers that fetch the same content, the one with the
/// highest score for a block requests it from the source first. All compute the same scores, so that the source gets each request once.
/// </summary>
internal static class RendezvousHash
{
    /// <summary>A peer's score for a block.</summary>
    public static ulong Score(in PeerId peer, in Multihash block) => Mix(Tail(peer.Hash) ^ Mix(Tail(block)));

    // Public keys have equal prefixes, so the last bytes are used.
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
