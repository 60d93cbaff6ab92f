using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>A block to be stored, whose hash the caller has checked.</summary>
/// <param name="Hash">Its hash.</param>
/// <param name="Data">Its bytes, or its frame.</param>
/// <param name="Packed">True for a frame (<see cref="PackedBlock"/>) which the caller has seen to unpack to what the hash is of.</param>
public readonly record struct NewBlock(Multihash Hash, ReadOnlyMemory<byte> Data, bool Packed);
