using System.Diagnostics;
using Ipcs.Bitswap.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Server;

/// <summary>
/// The wantlist of one peer: the blocks it waits for, the blocks that it can be sent now (by priority, then by age), and the presences to
/// send. Its lock is not held during I/O. Thread-safe.
/// </summary>
/// <param name="tryGetLength">The length of a block; false when this node does not have it.</param>
/// <param name="index">Learns of every block that this peer waits for.</param>
/// <param name="wake">Called when a block has arrived that the peer waits for.</param>
internal sealed class PeerWantlist(PeerWantlist.LengthLookup tryGetLength, WantIndex index, Action wake)
{
    /// <summary>
    /// Wants that wait for a block to arrive here: 2 GiB of blocks of 256 KiB, some 2 MB of memory. Further wants are dropped, as other
    /// implementations do.
    /// </summary>
    private const int MaxWaiting = 8192;

    /// <summary>Queued answers, and as many queued presences. Further ones are dropped.</summary>
    private const int MaxQueued = 16_384;

    /// <summary>A want-have for a block shorter than this, in bytes, is answered with the block, as boxo does.</summary>
    private const int InlineLength = 1024;

    private readonly Lock _lock = new();
    private readonly Dictionary<Multihash, WantEntry> _waiting = [];
    private readonly Dictionary<Multihash, WantEntry> _queued = [];
    private readonly PriorityQueue<WantEntry, (int Priority, long Sequence)> _answers = new();
    private readonly Queue<PresenceEntry> _presences = new();
    private long _sequence;
    private bool _closed;

    /// <summary>The length of a block in bytes; false when it cannot be sent.</summary>
    public delegate bool LengthLookup(Cid cid, out int length);

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

    /// <summary>Takes one entry of the peer's message. True when there is something to send now.</summary>
    public bool Take(WantEntry want)
    {
        Multihash hash = want.Cid.Hash;
        if (want.Cancel)
        {
            lock (_lock)
            {
                StopWaiting(hash, out _);
                _queued.Remove(hash);
            }

            return false;
        }

        // Looked up without the lock: the store may read from disk.
        if (tryGetLength(want.Cid, out int length))
        {
            lock (_lock)
            {
                Answer(want, length);
            }

            return true;
        }

        bool hasAnswer = Wait(want);

        // The block may have arrived after the lookup and before the wait, and then it is not announced again.
        return (tryGetLength(want.Cid, out length) && TryAnswer(hash, length)) || hasAnswer;
    }

    /// <summary>Removes all wants: the peer sends its full wantlist anew.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            foreach (Multihash hash in _waiting.Keys)
            {
                index.Remove(hash, this);
            }

            _waiting.Clear();
            _queued.Clear();
        }
    }

    /// <summary>Removes all wants and takes no more: the peer has disconnected.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _closed = true;
            Clear();
        }
    }

    /// <summary>A block has been stored; when the peer waits for it, it is queued and the sender is woken.</summary>
    public void BlockArrived(in Multihash hash, int length)
    {
        if (TryAnswer(hash, length))
        {
            wake();
        }
    }

    /// <summary>The blocks that the peer wants.</summary>
    public Cid[] Wanted()
    {
        lock (_lock)
        {
            return [.. _waiting.Values.Concat(_queued.Values).Select(w => w.Cid)];
        }
    }

    /// <summary>Takes the next block to send from the queue.</summary>
    public bool TryNext(out WantEntry want)
    {
        lock (_lock)
        {
            while (_answers.TryDequeue(out want, out _))
            {
                // False when the want was cancelled meanwhile.
                if (_queued.Remove(want.Cid.Hash))
                {
                    return true;
                }
            }

            Debug.Assert(_queued.Count == 0, "a queued want has no answer");
            return false;
        }
    }

    /// <summary>Takes the next presence to send from the queue.</summary>
    public bool TryNext(out PresenceEntry presence)
    {
        lock (_lock)
        {
            return _presences.TryDequeue(out presence);
        }
    }

    private bool TryAnswer(in Multihash hash, int length)
    {
        lock (_lock)
        {
            if (!StopWaiting(hash, out WantEntry want))
            {
                return false;
            }

            Answer(want, length);
            return true;
        }
    }

    private bool StopWaiting(in Multihash hash, out WantEntry want)
    {
        if (!_waiting.Remove(hash, out want))
        {
            return false;
        }

        index.Remove(hash, this);
        return true;
    }

    /// <summary>Stores a want until its block arrives. True when there is a DONT_HAVE to send.</summary>
    private bool Wait(WantEntry want)
    {
        lock (_lock)
        {
            if (!_closed && (_waiting.Count < MaxWaiting || _waiting.ContainsKey(want.Cid.Hash)))
            {
                _waiting[want.Cid.Hash] = want;
                index.Add(want.Cid.Hash, this);
            }

            bool hasAnswer = want.SendDontHave && _presences.Count < MaxQueued;
            if (hasAnswer)
            {
                _presences.Enqueue(new PresenceEntry(want.Cid, Have: false));
            }

            return hasAnswer;
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
