namespace Ipcs.Dag.Gc;

/// <summary>What a garbage collection did.</summary>
/// <param name="Blocks">How many blocks it removed.</param>
/// <param name="Bytes">How long they were together.</param>
/// <param name="Kept">How many blocks are reached from what is kept.</param>
/// <param name="Forgotten">How many contents that nobody owned it took out of the index.</param>
public sealed record GcResult(long Blocks, long Bytes, int Kept, int Forgotten);
