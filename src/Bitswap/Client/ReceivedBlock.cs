using System.Buffers;
using Ipcs.Bitswap.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>A block that was received and hashed.</summary>
/// <param name="Entry">The block on the wire; its bytes belong to the message.</param>
/// <param name="Hash">Its hash.</param>
/// <param name="Length">Its length in bytes, decompressed.</param>
/// <param name="IsLeaf">The result of <see cref="BitswapOptions.IsLeaf"/>.</param>
/// <param name="Decompressed">Its bytes when it was compressed; to be disposed.</param>
internal readonly record struct ReceivedBlock(BlockEntry Entry, Multihash Hash, int Length, bool IsLeaf, IMemoryOwner<byte>? Decompressed)
{
    /// <summary>Its bytes.</summary>
    public ReadOnlyMemory<byte> Block => Decompressed?.Memory ?? Entry.Data;
}
