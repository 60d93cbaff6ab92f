using System.Diagnostics;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Gc;

/// <summary>
/// Synchronizes the users of blocks with garbage collection. It keeps three sets:
/// <list type="bullet">
/// <item>the blocks that were touched (stored, read or looked up) while a lease of touched blocks was held: these are not swept;</item>
/// <item>the blocks that are being swept: a user of one waits until it is deleted and then finds it absent, so that no answer is true when
/// it is given and false when it is used;</item>
/// <item>the blocks that are being stored or deleted: a second writer of one waits, so that the counters count each block once.</item>
/// </list>
/// A GC cycle takes a lease before it lists roots, in the oldest generation, so it protects everything that is protected at that time. Of a
/// DAG that is being made when the cycle begins, and that a pin or a content names before the cycle sweeps, every block is below a root
/// that the cycle lists, or was touched under a lease that was held when the cycle began, or is touched later: all three are kept.
///
/// <para>Memory: touched blocks are remembered in generations, each until the leases of it and of all older ones are released. At most
/// <see cref="MaxTouched"/> are remembered; beyond that nothing is swept until leases are released.</para>
///
/// <para>One lock, never held during I/O. Without a lease of touched blocks a reader pays for one volatile read.</para>
/// </summary>
internal sealed class GcBarrier
{
    /// <summary>
    /// The most touched blocks remembered, in 90 to 180 MB: a tebibyte of blocks of 256 KiB made under a single lease.
    /// </summary>
    public const int MaxTouched = 1 << 22;

    /// <summary>
    /// Each lease begins a generation, so that an older one can be dropped with its leases, up to this many generations ...
    /// </summary>
    private const int ManyGenerations = 32;

    /// <summary>... and beyond that only when the newest has this many blocks.</summary>
    private const int GenerationLength = 1 << 14;

    // An object rather than a Lock: threads wait on it with Monitor.Wait.
    private readonly object _lock = new();
    private readonly List<Generation> _generations = [new Generation()];
    private readonly Dictionary<GcLease, Generation?> _leases = [];
    private readonly HashSet<Multihash> _changing = [];
    private readonly HashSet<Multihash> _sweeping = [];
    private readonly Action<GcLease> _release;
    private volatile int _touchLeases;
    private int _waiters;
    private int _touched;
    private bool _inCycle;

    public GcBarrier() => _release = Release;

    /// <summary>
    /// Takes a lease that protects every block touched until it is disposed, and those already remembered in its generation.
    /// </summary>
    public GcLease LeaseTouched()
    {
        lock (_lock)
        {
            if (_generations[^1].Touched.Count >= (_generations.Count < ManyGenerations ? 1 : GenerationLength))
            {
                _generations.Add(new Generation());
            }

            return LeaseFrom(_generations[^1]);
        }
    }

    /// <summary>Takes a lease that protects the DAG under a root and nothing else.</summary>
    public GcLease LeaseDag(in Cid root)
    {
        GcLease lease = new(_release);
        lease.Add(root);
        lock (_lock)
        {
            _leases.Add(lease, null);
        }

        return lease;
    }

    /// <summary>Begins a GC cycle. Its lease protects everything that any lease protects now; the caller disposes it.</summary>
    /// <exception cref="InvalidOperationException">Another cycle is running.</exception>
    public GcLease BeginCycle()
    {
        lock (_lock)
        {
            if (_inCycle)
            {
                throw new InvalidOperationException("another garbage collection is running");
            }

            _inCycle = true;
            return LeaseFrom(_generations[0]);
        }
    }

    /// <summary>Ends the GC cycle. Its lease is released separately.</summary>
    public void EndCycle()
    {
        lock (_lock)
        {
            Debug.Assert(_inCycle && _sweeping.Count == 0, "a cycle ends once, after its last sweep");
            _inCycle = false;
        }
    }

    /// <summary>The roots of all leases.</summary>
    public IReadOnlyCollection<Cid> LeasedRoots()
    {
        GcLease[] leases;
        lock (_lock)
        {
            leases = [.. _leases.Keys];
        }

        return [.. leases.SelectMany(lease => lease.Roots()).Distinct()];
    }

    /// <summary>Called before a block is looked up or read. Waits while the block is being swept.</summary>
    public void Touch(in Multihash hash)
    {
        if (_touchLeases == 0)
        {
            return;
        }

        lock (_lock)
        {
            Remember(hash);
            while (_sweeping.Contains(hash))
            {
                Wait();
            }
        }
    }

    /// <summary>
    /// Called before a block is stored or deleted. Waits while the block is being swept or changed, then excludes others until
    /// <see cref="EndChange"/>.
    /// </summary>
    public void BeginChange(in Multihash hash)
    {
        lock (_lock)
        {
            if (_touchLeases != 0)
            {
                Remember(hash);
            }

            while (_sweeping.Contains(hash) || _changing.Contains(hash))
            {
                Wait();
            }

            _changing.Add(hash);
        }
    }

    /// <summary>Ends the exclusion of <see cref="BeginChange"/>.</summary>
    public void EndChange(in Multihash hash)
    {
        lock (_lock)
        {
            bool removed = _changing.Remove(hash);
            Debug.Assert(removed, "a change ends once");
            WakeAll();
        }
    }

    /// <summary>
    /// As <see cref="BeginChange"/> for several blocks. Takes none of them while it waits for one, so that two callers with common blocks
    /// cannot deadlock.
    /// </summary>
    /// <returns>The index of each different block.</returns>
    public List<int> BeginChanges(IReadOnlyList<NewBlock> blocks)
    {
        var distinct = new List<int>(blocks.Count);
        lock (_lock)
        {
            for (int i = 0; i < blocks.Count; i++)
            {
                if (_touchLeases != 0)
                {
                    Remember(blocks[i].Hash);
                }
            }

            while (blocks.Any(b => _sweeping.Contains(b.Hash) || _changing.Contains(b.Hash)))
            {
                Wait();
            }

            for (int i = 0; i < blocks.Count; i++)
            {
                if (_changing.Add(blocks[i].Hash))
                {
                    distinct.Add(i);
                }
            }
        }

        return distinct;
    }

    /// <summary>Ends the exclusion of <see cref="BeginChanges"/>, called with the same blocks.</summary>
    public void EndChanges(IReadOnlyList<NewBlock> blocks)
    {
        lock (_lock)
        {
            for (int i = 0; i < blocks.Count; i++)
            {
                _changing.Remove(blocks[i].Hash);
            }

            WakeAll();
        }
    }

    /// <summary>
    /// Returns those of the candidates that nobody uses. Until <see cref="EndSweep"/> users of them wait. Called by the GC cycle only.
    /// </summary>
    /// <exception cref="StoreException">More blocks were touched under leases than are remembered.</exception>
    public List<Multihash> BeginSweep(IReadOnlyList<Multihash> candidates)
    {
        lock (_lock)
        {
            Debug.Assert(_inCycle && _sweeping.Count == 0, "only a cycle sweeps, one batch at a time");
            if (_generations.Exists(generation => generation.Overflowed))
            {
                throw new StoreException($"more than {MaxTouched} blocks were used by running operations: collect garbage after they end");
            }

            foreach (Multihash hash in candidates)
            {
                if (!_changing.Contains(hash) && !_generations.Exists(generation => generation.Touched.Contains(hash)))
                {
                    _sweeping.Add(hash);
                }
            }

            return [.. _sweeping];
        }
    }

    /// <summary>The blocks that <see cref="BeginSweep"/> returned are deleted (or, after an error, left).</summary>
    public void EndSweep()
    {
        lock (_lock)
        {
            _sweeping.Clear();
            WakeAll();
        }
    }

    private GcLease LeaseFrom(Generation generation)
    {
        GcLease lease = new(_release);
        generation.Leases++;
        _leases.Add(lease, generation);
        _touchLeases++;
        return lease;
    }

    private void Release(GcLease lease)
    {
        lock (_lock)
        {
            bool held = _leases.Remove(lease, out Generation? generation);
            Debug.Assert(held, "a lease is released once");
            if (generation is null)
            {
                return;
            }

            _touchLeases--;
            generation.Leases--;
            Debug.Assert(_touchLeases >= 0 && generation.Leases >= 0, "a lease is counted until it is released");
            while (_generations[0].Leases == 0 && _generations.Count > 1)
            {
                DropOldest();
            }

            if (_generations[0].Leases == 0)
            {
                DropOldest();
                _generations.Add(new Generation());
            }

            Debug.Assert(_touchLeases > 0 || _touched == 0, "without a lease nothing is remembered");
        }
    }

    private void DropOldest()
    {
        _touched -= _generations[0].Touched.Count;
        _generations.RemoveAt(0);
    }

    private void Remember(in Multihash hash)
    {
        Generation newest = _generations[^1];
        if (_touched >= MaxTouched)
        {
            newest.Overflowed |= !newest.Touched.Contains(hash);
        }
        else if (newest.Touched.Add(hash))
        {
            _touched++;
        }
    }

    private void Wait()
    {
        _waiters++;
        Monitor.Wait(_lock);
        _waiters--;
    }

    private void WakeAll()
    {
        if (_waiters > 0)
        {
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>The blocks touched while it was the newest generation. Used only under the barrier's lock.</summary>
    private sealed class Generation
    {
        public BlockSet Touched { get; } = new();

        /// <summary>Leases taken from this generation and not released.</summary>
        public int Leases { get; set; }

        /// <summary>True when blocks were touched that could not be remembered.</summary>
        public bool Overflowed { get; set; }
    }
}
