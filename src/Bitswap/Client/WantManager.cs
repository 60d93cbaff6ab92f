using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>
/// All wants of this node: the want scheduler with a clock, a lock that is held for no I/O, and a timer. What the scheduler wants sent is only queued.
/// </summary>
internal sealed class WantManager : IAsyncDisposable
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(100);

    private readonly IBlockstore _store;
    private readonly Action<IReadOnlyList<(PeerId Peer, WantEntry Entry)>> _send;
    private readonly TimeProvider _time;
    private readonly WantScheduler _scheduler;
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _watch;

    public WantManager(PeerId self, IBlockstore store, BitswapOptions options, Action<IReadOnlyList<(PeerId Peer, WantEntry Entry)>> send, BitswapMeter meter, TimeProvider time)
    {
        _store = store;
        _send = send;
        _time = time;
        _scheduler = new WantScheduler(self, options, new Random(), meter.FirstBlock);
        _watch = WatchAsync();
    }

    /// <summary>Blocks wanted now.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _scheduler.Count;
            }
        }
    }

    /// <summary>Connected peers.</summary>
    public int Peers
    {
        get
        {
            lock (_lock)
            {
                return _scheduler.Peers;
            }
        }
    }

    private long Now => (long)_time.GetElapsedTime(0).TotalMicroseconds;

    /// <summary>What is wanted now.</summary>
    public Cid[] Wanted()
    {
        lock (_lock)
        {
            return _scheduler.Wanted();
        }
    }

    /// <summary>Wants a block for a session until it is here (the task completes), fails, or is let go.</summary>
    public async Task WantAsync(Cid cid, BitswapSession session, bool urgent, CancellationToken cancellationToken)
    {
        Want want = null!;
        Run((scheduler, now) => want = scheduler.Add(session, [cid], urgent, now)[0]);

        // It may have come between the look and the want.
        if (_store.Has(cid.Hash))
        {
            Received(cid.Hash);
        }

        try
        {
            await want.Done.Task.WaitAsync(cancellationToken);
        }
        finally
        {
            Run((scheduler, now) => scheduler.LetGo(want, session));
        }
    }

    /// <summary>Wants blocks for a session until it ends; it is told of each.</summary>
    public void Prefetch(IReadOnlyList<Cid> cids, BitswapSession session)
    {
        var missing = new List<Cid>(cids.Count);
        foreach (Cid cid in cids)
        {
            if (_store.Has(cid.Hash))
            {
                session.Report(null, new PrefetchResult(cid, IsLeaf: false));
            }
            else
            {
                missing.Add(cid);
            }
        }

        if (missing.Count == 0)
        {
            return;
        }

        Run((scheduler, now) =>
        {
            Want[] wants = scheduler.Add(session, missing, urgent: false, now);
            for (int i = 0; i < wants.Length; i++)
            {
                wants[i].Prefetches.Add((session, missing[i]));
                if (!session.Wants.Add(wants[i]))
                {
                    // Once is enough, and once is what the end lets go.
                    wants[i].Sessions.Remove(session);
                }
            }
        });

        // Some may have come between the look and the want.
        foreach (Cid cid in missing)
        {
            if (_store.Has(cid.Hash))
            {
                Received(cid.Hash);
            }
        }
    }

    /// <summary>A session ends.</summary>
    public void End(BitswapSession session) => Run((scheduler, now) =>
    {
        foreach (Want want in session.Wants)
        {
            want.Prefetches.RemoveAll(a => a.Session == session);
            scheduler.LetGo(want, session);
        }

        session.Wants.Clear();
    });

    /// <summary>What a session is told of a peer.</summary>
    public void Tell(BitswapSession session, PeerId peer, PeerAvailability availability) => Run((scheduler, now) => scheduler.Tell(session, peer, availability, now));

    /// <summary>What a session wants is known to lie in parts.</summary>
    public void Broadcast(BitswapSession session) => Run((scheduler, now) => scheduler.Broadcast(session, now));

    /// <summary>What each of some blocks is that this peer has sent.</summary>
    public BlockExpectation[] Expects(PeerId peer, IReadOnlyList<ReceivedBlock> arrivals)
    {
        var expected = new BlockExpectation[arrivals.Count];
        lock (_lock)
        {
            for (int i = 0; i < expected.Length; i++)
            {
                expected[i] = _scheduler.Expects(peer, arrivals[i].Hash);
            }
        }

        return expected;
    }

    /// <summary>The first of some blocks that a peer has sent are stored, or not wanted any more.</summary>
    public void Received(PeerId peer, IReadOnlyList<ReceivedBlock> arrivals, int count) => Run((scheduler, now) =>
    {
        for (int i = 0; i < count; i++)
        {
            scheduler.Received(peer, arrivals[i].Hash, arrivals[i].Entry.Data.Length, arrivals[i].IsLeaf, now);
        }
    });

    /// <summary>A wanted block is stored that did not come by Bitswap.</summary>
    public void Received(Multihash hash) => Run((scheduler, now) => scheduler.Received(null, hash, 0, isLeaf: false, now));

    /// <summary>A peer says which blocks it has and which not.</summary>
    public void Presences(PeerId peer, IReadOnlyList<PresenceEntry> presences) => Run((scheduler, now) =>
    {
        foreach (PresenceEntry presence in presences)
        {
            scheduler.Presence(peer, presence, now);
        }
    });

    /// <summary>A peer is connected and known.</summary>
    public void PeerCame(PeerId peer, bool saysHave) => Run((scheduler, now) => scheduler.PeerCame(peer, saysHave, now));

    /// <summary>A peer is gone.</summary>
    public void PeerGone(PeerId peer) => Run((scheduler, now) => scheduler.PeerGone(peer, now));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watch.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Run((scheduler, _) => scheduler.Stop());
    }

    private void Run(Action<WantScheduler, long> step)
    {
        lock (_lock)
        {
            step(_scheduler, Now);
            if (_scheduler.Outbox.Count > 0)
            {
                // Under the lock, or a cancel could overtake its want.
                _send(_scheduler.Outbox);
                _scheduler.Outbox.Clear();
            }
        }
    }

    private async Task WatchAsync()
    {
        using var timer = new PeriodicTimer(Tick, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                Run((scheduler, now) => scheduler.Tick(now));
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }
}
