using System.Collections.Concurrent;
using System.Diagnostics;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>
/// All wants of this node: the scheduler with a clock, a timer, and a lock that is not held during I/O. What the scheduler wants sent is
/// only queued under the lock.
/// </summary>
internal sealed class WantManager : IAsyncDisposable
{
    private static readonly TimeSpan TickTime = TimeSpan.FromMilliseconds(100);

    private readonly IBlockstore _store;
    private readonly Action<IReadOnlyList<(PeerId Peer, WantEntry Entry)>> _send;
    private readonly Func<bool> _isBehind;
    private readonly ConcurrentDictionary<PeerId, ReceivedBytes> _received = new();
    private readonly TimeProvider _time;
    private readonly WantScheduler _scheduler;
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _ticking;

    public WantManager(
        PeerId self,
        IBlockstore store,
        BitswapOptions options,
        Action<IReadOnlyList<(PeerId Peer, WantEntry Entry)>> send,
        Func<bool> isBehind,
        BitswapMeter meter,
        TimeProvider time)
    {
        _store = store;
        _send = send;
        _isBehind = isBehind;
        _time = time;
        _scheduler = new WantScheduler(self, options, new Random(options.Seed), meter.FirstBlock);
        _ticking = TickAsync();
    }

    /// <summary>The number of wanted blocks.</summary>
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

    /// <summary>The number of connected peers.</summary>
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

    /// <summary>The wanted blocks.</summary>
    public Cid[] Wanted()
    {
        lock (_lock)
        {
            return _scheduler.Wanted();
        }
    }

    /// <summary>Wants a block for a session until it is stored, fails, or the token is cancelled.</summary>
    public async Task WantAsync(Cid cid, BitswapSession session, bool urgent, CancellationToken cancellationToken)
    {
        Want want = null!;
        Run((scheduler, now) => want = scheduler.Add(session, [cid], urgent, now)[0]);

        // The block may have arrived after the caller's lookup and before the want.
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

    /// <summary>Wants blocks for a session until it ends, and reports the result of each to it.</summary>
    public void Prefetch(IReadOnlyList<Cid> cids, BitswapSession session)
    {
        var missing = new List<Cid>(cids.Count);
        foreach (Cid cid in cids)
        {
            if (_store.Has(cid.Hash))
            {
                session.Report(null, cid, isLeaf: false);
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
                    // The session has this want already, and its end removes the session from the want once.
                    wants[i].Sessions.Remove(session);
                }
            }
        });

        // Some may have arrived after the lookup and before the wants.
        foreach (Cid cid in missing)
        {
            if (_store.Has(cid.Hash))
            {
                Received(cid.Hash);
            }
        }
    }

    /// <summary>Removes the wants of a session that ends.</summary>
    public void End(BitswapSession session) => Run((scheduler, now) =>
    {
        foreach (Want want in session.Wants)
        {
            want.Prefetches.RemoveAll(a => a.Session == session);
            scheduler.LetGo(want, session);
        }

        session.Wants.Clear();
    });

    /// <summary>Records what a peer has of a session's content.</summary>
    public void SetAvailability(BitswapSession session, PeerId peer, PeerAvailability availability) =>
        Run((scheduler, now) => scheduler.SetAvailability(session, peer, availability, now));

    /// <summary>The peers that sent less than a fair rate of a session's blocks.</summary>
    public PeerId[] UnfairPeers(BitswapSession session)
    {
        lock (_lock)
        {
            return [.. session.Unfair];
        }
    }

    /// <summary>From now on a session asks every connected peer for each block.</summary>
    public void Broadcast(BitswapSession session) => Run((scheduler, now) => scheduler.Broadcast(session, now));

    /// <summary>For each of the blocks that a peer has sent: whether it was requested and is still wanted.</summary>
    public BlockExpectation[] Expects(PeerId peer, IReadOnlyList<ReceivedBlock> blocks)
    {
        var expected = new BlockExpectation[blocks.Count];
        lock (_lock)
        {
            for (int i = 0; i < expected.Length; i++)
            {
                expected[i] = _scheduler.Expects(peer, blocks[i].Hash);
            }
        }

        return expected;
    }

    /// <summary>
    /// Completes the wants for the first <paramref name="count"/> blocks that a peer has sent, which are stored or were not wanted any
    /// more.
    /// </summary>
    /// <param name="peer">The peer.</param>
    /// <param name="blocks">The blocks.</param>
    /// <param name="count">How many of them.</param>
    /// <param name="onReceived">
    /// Called before each want completes, with whether there is one: of two copies of a block that are stored at once only one has.
    /// </param>
    public void Received(PeerId peer, IReadOnlyList<ReceivedBlock> blocks, int count, Action<ReceivedBlock, bool> onReceived) =>
        Run((scheduler, now) =>
        {
            Debug.Assert(count <= blocks.Count, "only blocks of the list are received");
            for (int i = 0; i < count; i++)
            {
                onReceived(blocks[i], scheduler.IsWanted(blocks[i].Hash));
                scheduler.Received(peer, blocks[i].Hash, blocks[i].Entry.Data.Length, blocks[i].IsLeaf, now, blocks[i]);
            }
        });

    /// <summary>Completes the want for a block that was stored otherwise than by Bitswap.</summary>
    public void Received(Multihash hash) => Run((scheduler, now) => scheduler.Received(null, hash, 0, isLeaf: false, now));

    /// <summary>Takes the presences that a peer has sent.</summary>
    public void Presences(PeerId peer, IReadOnlyList<PresenceEntry> presences) => Run((scheduler, now) =>
    {
        foreach (PresenceEntry presence in presences)
        {
            scheduler.Presence(peer, presence, now);
        }
    });

    /// <summary>Adds a connected peer whose protocols are known.</summary>
    public void PeerCame(PeerId peer, bool saysHave) =>
        Run((scheduler, now) => scheduler.PeerCame(peer, saysHave, now, ReceivedOf(peer)));

    /// <summary>Removes a peer that has disconnected.</summary>
    public void PeerGone(PeerId peer) => Run((scheduler, now) => scheduler.PeerGone(peer, now));

    /// <summary>The counter of the bytes received from a peer.</summary>
    public ReceivedBytes ReceivedOf(PeerId peer) => _received.GetOrAdd(peer, static _ => new ReceivedBytes());

    /// <summary>Removes the counter of the bytes received from a peer that has no connection and no stream.</summary>
    public void ForgetReceived(PeerId peer) => _received.TryRemove(peer, out _);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _ticking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Run((scheduler, _) => scheduler.Stop());
    }

    private void Run(Action<WantScheduler, long> step)
    {
        lock (_lock)
        {
            step(_scheduler, Now);
            if (_scheduler.Outbox.Count > 0)
            {
                // Under the lock, since a cancel could otherwise overtake its want.
                _send(_scheduler.Outbox);
                _scheduler.Outbox.Clear();
            }
        }
    }

    private async Task TickAsync()
    {
        using var timer = new PeriodicTimer(TickTime, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                Run((scheduler, now) => scheduler.Tick(now, _isBehind()));
            }
        }
        catch (OperationCanceledException)
        {
            // The service is stopping.
        }
    }
}
