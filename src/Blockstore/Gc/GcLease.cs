using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>
/// Work under way that garbage collection must not disturb: see <see cref="IStore.LeaseTouched"/> and <see cref="IStore.LeaseDag"/>. Disposing ends it.
/// Thread-safe.
/// </summary>
public sealed class GcLease : IDisposable
{
    private readonly GcBarrier _gate;
    private readonly List<Cid> _roots = [];
    private bool _closed;

    internal GcLease(GcBarrier gate, GcBarrier.Generation? generation)
    {
        _gate = gate;
        Generation = generation;
    }

    /// <summary>The age of the touched blocks that it holds, the gate's own; null when it keeps roots alone.</summary>
    internal GcBarrier.Generation? Generation { get; }

    /// <summary>Keeps one more root, as <see cref="IStore.LeaseDag"/> does.</summary>
    public void Add(in Cid root)
    {
        lock (_roots)
            _roots.Add(root);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_roots)
        {
            if (_closed)
                return;
            _closed = true;
        }

        _gate.Close(this);
    }

    internal Cid[] Roots()
    {
        lock (_roots)
            return [.. _roots];
    }
}
