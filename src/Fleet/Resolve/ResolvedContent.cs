using Ipcs.Blockstore;

namespace Ipcs.Fleet.Resolve;

/// <summary>What a peer says of a digest.</summary>
/// <param name="Record">Its record of the content: a claim.</param>
/// <param name="RootBlock">The root's block, checked against the root's hash; empty when the peer has not sent it along.</param>
public sealed record ResolvedContent(ContentRecord Record, ReadOnlyMemory<byte> RootBlock);
