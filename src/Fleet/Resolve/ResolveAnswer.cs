namespace Ipcs.Fleet.Resolve;

/// <summary>A peer's answer to a question.</summary>
/// <param name="Contents">The contents that the peer has completely or partly.</param>
/// <param name="Growing">The contents that it is getting, whose root is not known yet.</param>
public sealed record ResolveAnswer(IReadOnlyList<ResolvedContent> Contents, IReadOnlyList<GrowingPart> Growing);
