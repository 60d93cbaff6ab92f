using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>A block to be stored. The caller has verified its hash.</summary>
/// <param name="Hash">The block's multihash.</param>
/// <param name="Data">The block's bytes, or its zstd frame.</param>
/// <param name="Compressed">True when <paramref name="Data"/> is a zstd frame (<see cref="Compression.CompressedBlock"/>).</param>
public readonly record struct NewBlock(Multihash Hash, ReadOnlyMemory<byte> Data, bool Compressed);
