using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>
/// One garbage collection of a store. Blocks that are touched after it begins are not removed. The caller marks the DAGs under
/// <see cref="LeasedRoots"/> and under its own roots, in this order: leases and ingests first, contents and pins last, since a root that
/// moves while roots are listed moves in that direction. Then the caller sweeps what is not marked. Disposing ends the cycle. For one
/// caller at a time.
/// </summary>
public interface IGcCycle : IDisposable
{
    /// <summary>The roots of the DAGs that leases protect.</summary>
    IReadOnlyCollection<Cid> LeasedRoots();

    /// <summary>
    /// Removes the blocks that are neither marked nor were touched since the cycle began (or since the oldest lease that was held when it
    /// began).
    /// </summary>
    /// <param name="marks">The blocks to keep. Not changed by anyone during the call.</param>
    /// <param name="removed">Called for every block removed, with its length in bytes.</param>
    /// <param name="cancellationToken">Stops the sweep between two batches.</param>
    /// <exception cref="StoreException">More blocks were touched under leases than the store can remember, or the store failed.</exception>
    void Sweep(BlockSet marks, Action<Multihash, int> removed, CancellationToken cancellationToken);
}
