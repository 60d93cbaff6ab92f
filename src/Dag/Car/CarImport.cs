using Ipcs.Multiformats;

namespace Ipcs.Dag.Car;

/// <summary>What came out of a CAR.</summary>
/// <param name="Roots">The roots that its header names, whether their blocks were in it or not.</param>
/// <param name="Blocks">How many blocks were stored.</param>
/// <param name="Bytes">How many bytes they have.</param>
public sealed record CarImport(IReadOnlyList<Cid> Roots, long Blocks, long Bytes);
