using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>
/// A garbage collection of a store: from its making on, what is touched is kept. Its owner marks what <see cref="LeasedRoots"/> and the roots of
/// its own reach, in this order: holds and ingests first, contents and pins last, since what moves during the listing moves that way. Then it
/// sweeps the rest. Disposing ends it. Used by one caller at a time.
/// </summary>
public sealed class Collection : IDisposable
{
    // Deleted in one write, and meanwhile awaited by who wants one of them: some tenths of a millisecond.
    private const int BatchLength = 256;

    private readonly GcBarrier _gate;
    private readonly ISweptBlocks _blocks;
    private readonly GcLease _hold;

    internal Collection(GcBarrier gate, ISweptBlocks blocks)
    {
        _gate = gate;
        _blocks = blocks;
        _hold = gate.OpenCollection();
    }

    /// <summary>What work under way wants to be kept with all below it.</summary>
    public IReadOnlyCollection<Cid> LeasedRoots() => _gate.LeasedRoots();

    /// <summary>Removes the blocks that are neither marked nor touched since the collection began (or since a hold was opened that was open then).</summary>
    /// <param name="marks">What is needed. Nobody else uses it meanwhile.</param>
    /// <param name="removed">Told of every block removed and its length in bytes.</param>
    /// <param name="cancellationToken">Stops it between two batches.</param>
    /// <exception cref="StoreException">More blocks are in use by work under way than can be remembered, or the store failed.</exception>
    public void Sweep(BlockSet marks, Action<Multihash, int> removed, CancellationToken cancellationToken)
    {
        List<Multihash> candidates = new(BatchLength);
        foreach ((Multihash hash, _) in _blocks.Enumerate())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (marks.Contains(hash))
                continue;
            candidates.Add(hash);
            if (candidates.Count == BatchLength)
                Remove(candidates, removed);
        }

        Remove(candidates, removed);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _hold.Dispose();
        _gate.EndCollection();
    }

    private void Remove(List<Multihash> candidates, Action<Multihash, int> removed)
    {
        List<(Multihash Hash, int Length)> gone;
        try
        {
            gone = _blocks.DeleteAll(_gate.BeginSweep(candidates));
        }
        finally
        {
            _gate.EndSweep();
        }

        candidates.Clear();
        foreach ((Multihash hash, int length) in gone)
            removed(hash, length);
    }
}
