using System.Buffers;
using Ipcs.Bitswap.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>A block that has come and been hashed.</summary>
/// <param name="Entry">It as it came, lent by the message.</param>
/// <param name="Hash">Its hash.</param>
/// <param name="Length">Its length, unpacked.</param>
/// <param name="IsLeaf">What <see cref="BitswapOptions.IsLeaf"/> says of it.</param>
/// <param name="Unpacked">Its bytes when it came packed; to be disposed.</param>
internal readonly record struct ReceivedBlock(BlockEntry Entry, Multihash Hash, int Length, bool IsLeaf, IMemoryOwner<byte>? Unpacked)
{
    /// <summary>Its bytes.</summary>
    public ReadOnlyMemory<byte> Block => Unpacked?.Memory ?? Entry.Data;
}
