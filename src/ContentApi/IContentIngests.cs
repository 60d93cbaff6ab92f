using Ipcs.Multiformats;

namespace Ipcs.ContentApi;

/// <summary>What a garbage collection must know of the writes that are not committed.</summary>
public interface IContentIngests
{
    /// <summary>The roots of what open and interrupted ingests have written so far, to be kept with all below them.</summary>
    IReadOnlyCollection<Cid> HeldRoots();
}
