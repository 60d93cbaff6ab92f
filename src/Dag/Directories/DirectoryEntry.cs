using Ipcs.Multiformats;

namespace Ipcs.Dag.Directories;

/// <summary>An entry of a directory.</summary>
/// <param name="Name">Its name, which a file system can hold; none is there twice.</param>
/// <param name="Cid">What it is.</param>
/// <param name="Tsize">The cumulative size of its DAG, in bytes, as the directory's maker claims.</param>
public readonly record struct DirectoryEntry(string Name, Cid Cid, ulong Tsize);
