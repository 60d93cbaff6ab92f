using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>
/// Work under way that garbage collection must not disturb: see <see cref="IStore.Hold"/>. Disposing ends it. It costs memory for every block
/// touched while it lasts, so it lasts as long as one piece of work, not as long as the daemon. Thread-safe.
/// </summary>
public sealed class Hold : IDisposable
{
    private readonly BlockGate _gate;
    private readonly List<Cid> _roots = [];
    private bool _closed;

    internal Hold(BlockGate gate, BlockGate.Generation generation)
    {
        _gate = gate;
        Generation = generation;
    }

    /// <summary>The age of what it holds; the gate's own.</summary>
    internal BlockGate.Generation Generation { get; }

    /// <summary>
    /// Keeps all that is here below a root too, touched or not. Who has the root from a record looks again afterwards whether the record is still
    /// there: a collection that began in between has not seen the hold.
    /// </summary>
    /// <returns>This hold.</returns>
    public Hold Add(in Cid root)
    {
        lock (_roots)
            _roots.Add(root);
        return this;
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
