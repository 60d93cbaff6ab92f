using Ipcs.Multiformats;

namespace Ipcs.Dag.Gc;

/// <summary>What a garbage collection must know of the writes that are not committed.</summary>
public interface IIngestRoots
{
    /// <summary>The roots of what open and interrupted ingests have written so far, to be kept with all below them.</summary>
    IReadOnlyCollection<Cid> LeasedRoots();
}
