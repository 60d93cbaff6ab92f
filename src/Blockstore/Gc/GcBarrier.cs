using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>
/// Between those who use blocks and the one who sweeps them. It knows three things:
/// <list type="bullet">
/// <item>which blocks have been touched (stored, read, asked for) while a hold was open: these are not swept;</item>
/// <item>which blocks are being swept just now: who touches one waits the moment until it is gone, and then finds it absent, so that no answer
/// is true when it is given and false when it is used;</item>
/// <item>which blocks are being stored or deleted just now: a second who wants to do so waits, so that the counters count each once.</item>
/// </list>
/// A collection opens a hold of its own before it looks for roots, one that lasts as long as everything that was held then. So of a DAG that is
/// being made when it begins, and named by a pin or a content before it sweeps, every block is either below a root that it finds, or touched
/// under a hold that was open then, or touched later: all three are kept.
///
/// <para>Memory: touched blocks are kept in generations, each as long as a hold of it or an older one is open. At most
/// <see cref="MaxTouched"/> are remembered; past that nothing is swept until the holds are closed.</para>
///
/// <para>One lock, held for no I/O. No hold open, no cost for readers but a volatile read.</para>
/// </summary>
internal sealed class GcBarrier
{
    /// <summary>The most touched blocks remembered, 90 to 180 MB of them: a tebibyte of blocks of 256 KiB made while a single hold is open.</summary>
    public const int MaxTouched = 1 << 22;

    /// <summary>Each hold begins a generation, which lets the older go with its holds, up to so many generations ...</summary>
    private const int ManyGenerations = 32;

    /// <summary>... and then only once the newest has so many blocks.</summary>
    private const int GenerationLength = 1 << 14;

    // Waited on with Monitor, which a Lock has no word for.
    private readonly object _gate = new();
    private readonly List<Generation> _generations = [new Generation()];
    private readonly HashSet<GcLease> _holds = [];
    private readonly HashSet<Multihash> _changing = [];
    private readonly HashSet<Multihash> _condemned = [];
    private volatile int _open;
    private int _waiting;
    private int _touched;
    private bool _collecting;

    /// <summary>Opens a hold.</summary>
    public GcLease Open()
    {
        lock (_gate)
        {
            if (_generations[^1].Touched.Count >= (_generations.Count < ManyGenerations ? 1 : GenerationLength))
                _generations.Add(new Generation());
            return Open(_generations[^1]);
        }
    }

    /// <summary>Keeps a root and what is below it, and nothing else.</summary>
    public GcLease LeaseDag(in Cid root)
    {
        GcLease hold = new(this, null);
        hold.Add(root);
        lock (_gate)
            _holds.Add(hold);
        return hold;
    }

    /// <summary>Opens the hold of a collection, which keeps all that is held now until it is closed.</summary>
    /// <exception cref="InvalidOperationException">There is one.</exception>
    public GcLease OpenCollection()
    {
        lock (_gate)
        {
            if (_collecting)
                throw new InvalidOperationException("a garbage collection is under way");
            _collecting = true;
            return Open(_generations[0]);
        }
    }

    /// <summary>The collection is over; its hold is closed apart.</summary>
    public void EndCollection()
    {
        lock (_gate)
            _collecting = false;
    }

    /// <summary>Closes a hold.</summary>
    public void Close(GcLease hold)
    {
        lock (_gate)
        {
            _holds.Remove(hold);
            if (hold.Generation is null)
                return;
            _open--;
            hold.Generation.Holds--;
            while (_generations[0].Holds == 0 && _generations.Count > 1)
                Drop();
            if (_generations[0].Holds == 0)
            {
                Drop();
                _generations.Add(new Generation());
            }
        }

        void Drop()
        {
            _touched -= _generations[0].Touched.Count;
            _generations.RemoveAt(0);
        }
    }

    /// <summary>The roots of all open holds.</summary>
    public IReadOnlyCollection<Cid> LeasedRoots()
    {
        GcLease[] holds;
        lock (_gate)
            holds = [.. _holds];
        return [.. holds.SelectMany(hold => hold.Roots()).Distinct()];
    }

    /// <summary>To be called before a block is looked for or read.</summary>
    public void Touch(in Multihash hash)
    {
        if (_open == 0)
            return;
        lock (_gate)
        {
            Remember(hash);
            while (_condemned.Contains(hash))
                Wait();
        }
    }

    /// <summary>To be called before a block is stored or deleted; the right to do so alone, until <see cref="Leave"/>.</summary>
    public void Enter(in Multihash hash)
    {
        lock (_gate)
        {
            if (_open != 0)
                Remember(hash);
            while (_condemned.Contains(hash) || _changing.Contains(hash))
                Wait();
            _changing.Add(hash);
        }
    }

    /// <summary>As <see cref="Enter"/>, for some blocks at a time: none of them while one has to be waited for, so that two who want the same never wait for each other.</summary>
    /// <returns>Each of them once.</returns>
    public List<int> EnterAll(IReadOnlyList<NewBlock> blocks)
    {
        var entered = new List<int>(blocks.Count);
        lock (_gate)
        {
            for (int i = 0; i < blocks.Count; i++)
            {
                if (_open != 0)
                    Remember(blocks[i].Hash);
            }

            while (blocks.Any(b => _condemned.Contains(b.Hash) || _changing.Contains(b.Hash)))
                Wait();
            for (int i = 0; i < blocks.Count; i++)
            {
                if (_changing.Add(blocks[i].Hash))
                    entered.Add(i);
            }
        }

        return entered;
    }

    /// <summary>Gives the right to some blocks back.</summary>
    public void LeaveAll(IReadOnlyList<NewBlock> blocks)
    {
        lock (_gate)
        {
            for (int i = 0; i < blocks.Count; i++)
                _changing.Remove(blocks[i].Hash);
            WakeAll();
        }
    }

    /// <summary>Gives that right back.</summary>
    public void Leave(in Multihash hash)
    {
        lock (_gate)
        {
            _changing.Remove(hash);
            WakeAll();
        }
    }

    /// <summary>Of these blocks, those that nobody uses. Nobody can until <see cref="EndSweep"/>. Called by the collection alone.</summary>
    /// <exception cref="StoreException">Too many are in use to know.</exception>
    public List<Multihash> BeginSweep(IReadOnlyList<Multihash> candidates)
    {
        lock (_gate)
        {
            if (_generations.Exists(generation => generation.Overflowed))
                throw new StoreException($"more than {MaxTouched} blocks are in use by work under way: collect again when it is done");
            foreach (Multihash hash in candidates)
            {
                if (!_changing.Contains(hash) && !_generations.Exists(generation => generation.Touched.Contains(hash)))
                    _condemned.Add(hash);
            }

            return [.. _condemned];
        }
    }

    /// <summary>What was condemned is gone (or was left, after an error).</summary>
    public void EndSweep()
    {
        lock (_gate)
        {
            _condemned.Clear();
            WakeAll();
        }
    }

    private GcLease Open(Generation generation)
    {
        generation.Holds++;
        GcLease hold = new(this, generation);
        _holds.Add(hold);
        _open++;
        return hold;
    }

    private void Remember(in Multihash hash)
    {
        Generation newest = _generations[^1];
        if (_touched >= MaxTouched)
            newest.Overflowed |= !newest.Touched.Contains(hash);
        else if (newest.Touched.Add(hash))
            _touched++;
    }

    private void Wait()
    {
        _waiting++;
        Monitor.Wait(_gate);
        _waiting--;
    }

    private void WakeAll()
    {
        if (_waiting > 0)
            Monitor.PulseAll(_gate);
    }

    /// <summary>What was touched while it was the newest. Touched only under the gate's lock.</summary>
    internal sealed class Generation
    {
        public BlockSet Touched { get; } = new();

        public int Holds { get; set; }

        public bool Overflowed { get; set; }
    }
}
