namespace Ipcs.Libp2p;

/// <summary>A buffer rented from a <see cref="BufferSlab"/>.</summary>
/// <param name="Memory">The buffer; at least as long as asked for.</param>
/// <param name="Place">Its index in the slab; null for a buffer of the shared array pool.</param>
public readonly record struct PooledBuffer(Memory<byte> Memory, int? Place);
