using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Gc;

/// <inheritdoc cref="IGcCycle"/>
internal sealed class GcCycle : IGcCycle
{
    // The blocks of a batch are deleted in one write, and their users wait for that write: some tenths of a millisecond.
    private const int BatchLength = 256;

    private readonly GcBarrier _barrier;
    private readonly ISweptBlocks _blocks;
    private readonly GcLease _lease;

    public GcCycle(GcBarrier barrier, ISweptBlocks blocks)
    {
        _barrier = barrier;
        _blocks = blocks;
        _lease = barrier.BeginCycle();
    }

    public IReadOnlyCollection<Cid> LeasedRoots() => _barrier.LeasedRoots();

    public void Sweep(BlockSet marks, Action<Multihash, int> removed, CancellationToken cancellationToken)
    {
        List<Multihash> candidates = new(BatchLength);
        foreach ((Multihash hash, _) in _blocks.Enumerate())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (marks.Contains(hash))
            {
                continue;
            }

            candidates.Add(hash);
            if (candidates.Count == BatchLength)
            {
                Remove(candidates, removed);
            }
        }

        Remove(candidates, removed);
    }

    public void Dispose()
    {
        _lease.Dispose();
        _barrier.EndCycle();
    }

    private void Remove(List<Multihash> candidates, Action<Multihash, int> removed)
    {
        List<(Multihash Hash, int Length)> deleted;
        try
        {
            deleted = _blocks.DeleteAll(_barrier.BeginSweep(candidates));
        }
        finally
        {
            _barrier.EndSweep();
        }

        candidates.Clear();
        foreach ((Multihash hash, int length) in deleted)
        {
            removed(hash, length);
        }
    }
}
