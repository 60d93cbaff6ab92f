using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Server;

/// <summary>
/// The wantlist of one peer: what it waits for, what it can be sent now (by priority, then by age), and presences to be said. Its lock is held for no
/// I/O. Thread-safe.
/// </summary>
internal sealed class PeerWantlist(IBlockstore store)
{
    /// <summary>Wants that wait for a block to arrive here: 2 GiB at 256 KiB, some 2 MB of memory; more are dropped, as every implementation does.</summary>
    private const int MaxWaiting = 8192;

    /// <summary>Answers queued for the peer; it may want as much again after it has been given some.</summary>
    private const int MaxQueued = 16_384;

    /// <summary>A HAVE for a block shorter than this is answered with the block, as the others do.</summary>
    private const int InlineLength = 1024;

    private readonly Lock _lock = new();
    private readonly Dictionary<Multihash, WantEntry> _waiting = [];
    private readonly Dictionary<Multihash, WantEntry> _queued = [];
    private readonly PriorityQueue<WantEntry, (int Priority, long Sequence)> _answers = new();
    private readonly Queue<PresenceEntry> _presences = new();
    private long _sequence;

    /// <summary>Takes one entry. True when there is something to send now.</summary>
    public bool Take(WantEntry want)
    {
        Multihash hash = want.Cid.Hash;
        if (want.Cancel)
        {
            lock (_lock)
            {
                _waiting.Remove(hash);
                _queued.Remove(hash);
            }

            return false;
        }

        // Looked up while the lock is not held: the store may read a disk.
        if (store.TryGetLength(hash, out int length))
        {
            lock (_lock)
            {
                Answer(want, length);
            }

            return true;
        }

        bool says = Wait(want);

        // It may have come between the look and the wait, and then it is not told of again.
        return (store.TryGetLength(hash, out length) && Arrived(hash, length)) || says;
    }

    /// <summary>The peer says its whole wantlist anew.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            _waiting.Clear();
            _queued.Clear();
        }
    }

    /// <summary>A block has come. True when the peer waits for it.</summary>
    public bool Arrived(in Multihash hash, int length)
    {
        lock (_lock)
        {
            if (!_waiting.Remove(hash, out WantEntry want))
            {
                return false;
            }

            Answer(want, length);
            return true;
        }
    }

    /// <summary>What the peer wants.</summary>
    public Cid[] Wanted()
    {
        lock (_lock)
        {
            return [.. _waiting.Values.Concat(_queued.Values).Select(w => w.Cid)];
        }
    }

    /// <summary>True when there is a block to send.</summary>
    public bool HasNext
    {
        get
        {
            lock (_lock)
            {
                return _queued.Count > 0;
            }
        }
    }

    /// <summary>The next block to send.</summary>
    public bool TryNext(out WantEntry want)
    {
        lock (_lock)
        {
            while (_answers.TryDequeue(out want, out _))
            {
                // Not when it was cancelled meanwhile.
                if (_queued.Remove(want.Cid.Hash))
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>The next presence to say.</summary>
    public bool TryNext(out PresenceEntry presence)
    {
        lock (_lock)
        {
            return _presences.TryDequeue(out presence);
        }
    }

    /// <summary>Keeps a want until its block comes. True when there is a DONT_HAVE to say.</summary>
    private bool Wait(WantEntry want)
    {
        lock (_lock)
        {
            if (_waiting.Count < MaxWaiting || _waiting.ContainsKey(want.Cid.Hash))
            {
                _waiting[want.Cid.Hash] = want;
            }

            bool says = want.SendDontHave && _presences.Count < MaxQueued;
            if (says)
            {
                _presences.Enqueue(new PresenceEntry(want.Cid, Have: false));
            }

            return says;
        }
    }

    private void Answer(WantEntry want, int length)
    {
        if (want.WantHave && length >= InlineLength)
        {
            if (_presences.Count < MaxQueued)
            {
                _presences.Enqueue(new PresenceEntry(want.Cid, Have: true));
            }
        }
        else if (_answers.Count < MaxQueued && _queued.TryAdd(want.Cid.Hash, want))
        {
            _answers.Enqueue(want, (-want.Priority, _sequence++));
        }
    }
}
