using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>A pin: a DAG that garbage collection keeps at a user's request.</summary>
/// <param name="Root">The root of the DAG.</param>
/// <param name="Recursive">True to keep the whole DAG, false to keep the root block only.</param>
/// <param name="Name">A name for users; may be empty.</param>
public sealed record PinRecord(Cid Root, bool Recursive, string Name);
