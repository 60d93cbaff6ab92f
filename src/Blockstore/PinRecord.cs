using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>What GC keeps because a person asked for it.</summary>
/// <param name="Root">The root of what is kept.</param>
/// <param name="Recursive">True to keep all below it too.</param>
/// <param name="Name">A name for people; may be empty.</param>
public sealed record PinRecord(Cid Root, bool Recursive, string Name);
