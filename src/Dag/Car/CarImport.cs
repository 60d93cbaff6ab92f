using Ipcs.Multiformats;

namespace Ipcs.Dag.Car;

/// <summary>The result of reading a CAR.</summary>
/// <param name="Roots">The roots in its header, whether or not it has their blocks.</param>
/// <param name="Blocks">The number of blocks stored.</param>
/// <param name="Bytes">The sum of their lengths in bytes.</param>
public sealed record CarImport(IReadOnlyList<Cid> Roots, long Blocks, long Bytes);
