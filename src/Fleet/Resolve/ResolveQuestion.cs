using Ipcs.Multiformats;

namespace Ipcs.Fleet.Resolve;

/// <summary>One digest of a question.</summary>
/// <param name="Digest">The digest.</param>
/// <param name="From">The number of its chunks that the asker knows: a peer that is getting the content names those after them.</param>
public readonly record struct ResolveQuestion(Digest Digest, int From);
