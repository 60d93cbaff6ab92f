using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>
/// Protects blocks from garbage collection until it is disposed: see <see cref="IStore.LeaseTouched"/> and <see cref="IStore.LeaseDag"/>.
/// Thread-safe.
/// </summary>
public sealed class GcLease : IDisposable
{
    private readonly Action<GcLease> _release;
    private readonly List<Cid> _roots = [];
    private bool _released;

    /// <summary>Creates a lease. <paramref name="release"/> is called once, at disposal.</summary>
    internal GcLease(Action<GcLease> release) => _release = release;

    /// <summary>Protects the DAG under one more root, as <see cref="IStore.LeaseDag"/> does.</summary>
    public void Add(in Cid root)
    {
        lock (_roots)
        {
            _roots.Add(root);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_roots)
        {
            if (_released)
            {
                return;
            }

            _released = true;
        }

        _release(this);
    }

    /// <summary>The roots added so far.</summary>
    internal Cid[] Roots()
    {
        lock (_roots)
        {
            return [.. _roots];
        }
    }
}
