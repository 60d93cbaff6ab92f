using Ipcs.Multiformats;

namespace Ipcs.Dag.Import;

/// <summary>The result of an import.</summary>
/// <param name="Root">The root's CID.</param>
/// <param name="Size">The length of the file, in bytes.</param>
/// <param name="DagSize">The cumulative size of the DAG, in bytes: every block is counted as often as it is linked.</param>
/// <param name="Blocks">The number of blocks, each counted as often as it is linked.</param>
public readonly record struct DagRoot(Cid Root, long Size, long DagSize, long Blocks);
