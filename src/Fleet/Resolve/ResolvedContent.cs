using Ipcs.Blockstore;

namespace Ipcs.Fleet.Resolve;

/// <summary>A peer's answer for one digest.</summary>
/// <param name="Record">The peer's record of the content, which is not verified.</param>
/// <param name="RootBlock">The root block, verified against the root's hash; empty when the answer does not contain it.</param>
public sealed record ResolvedContent(ContentRecord Record, ReadOnlyMemory<byte> RootBlock);
