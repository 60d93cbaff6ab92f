using Ipcs.Multiformats;

namespace Ipcs.Dag.Directories;

/// <summary>An entry of a directory.</summary>
/// <param name="Name">Its name: legal in file systems and unique in the directory.</param>
/// <param name="Cid">The root of its DAG.</param>
/// <param name="Tsize">The cumulative size of its DAG, in bytes, as the directory's author claims.</param>
public readonly record struct DirectoryEntry(string Name, Cid Cid, ulong Tsize);
