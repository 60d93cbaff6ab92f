using Ipcs.Multiformats;

namespace Ipcs.Fleet.Resolve;

/// <summary>What a node says of a content that it is getting.</summary>
/// <param name="Digest">The digest that the whole is to have.</param>
/// <param name="Size">The length of the whole in bytes.</param>
/// <param name="Profile">The profile of its DAG. Its leaves are raw blocks.</param>
/// <param name="Written">The bytes that the node has, at least those of the chunks.</param>
/// <param name="Chunks">The next chunks after those that the asker knows, in the order of the content: they are stored.</param>
public sealed record GrowingPart(Digest Digest, long Size, string Profile, long Written, IReadOnlyList<Multihash> Chunks);
