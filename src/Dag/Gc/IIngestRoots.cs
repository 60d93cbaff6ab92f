using Ipcs.Multiformats;

namespace Ipcs.Dag.Gc;

/// <summary>Lists the blocks that uncommitted writes need, for garbage collection.</summary>
public interface IIngestRoots
{
    /// <summary>The roots of the DAGs that open and interrupted ingests have written so far.</summary>
    IReadOnlyCollection<Cid> LeasedRoots();
}
