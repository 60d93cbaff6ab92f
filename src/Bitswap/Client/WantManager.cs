using Ipcs.Bitswap.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>What a received block is to us.</summary>
internal enum BlockExpectation
{
    /// <summary>Never asked of this peer.</summary>
    Unknown,

    /// <summary>Somebody waits for it.</summary>
    Wanted,

    /// <summary>Asked of this peer, and had from another meanwhile.</summary>
    Late,
}

/// <summary>
/// All wants of this node. Each is asked of one peer at a time: the one with the fewest under way among those its session knows, ties by
/// chance, so that a fleet does not ask one peer for the same block. A peer that says DONT_HAVE, goes, or stalls loses its wants to others.
/// One lock, held for no I/O; a timer looks for stalls.
/// </summary>
internal sealed class WantManager : IAsyncDisposable
{
    /// <summary>Blocks asked of one peer that are remembered after they came from elsewhere, to tell a late block from a false one.</summary>
    private const int MaxRemembered = 65_536;

    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(200);

    private readonly BitswapOptions _options;
    private readonly Func<PeerId, PeerLink> _link;
    private readonly Func<IReadOnlyCollection<PeerId>> _connected;
    private readonly Lock _lock = new();
    private readonly Dictionary<Multihash, Want> _wants = [];
    private readonly LinkedList<Want> _unasked = new();
    private readonly Dictionary<PeerId, PeerState> _peers = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _watch;

    public WantManager(BitswapOptions options, Func<PeerId, PeerLink> link, Func<IReadOnlyCollection<PeerId>> connected)
    {
        _options = options;
        _link = link;
        _connected = connected;
        _watch = WatchAsync();
    }

    /// <summary>Wants a block for a session until it is here (the task completes), fails, or is let go.</summary>
    public async Task WantAsync(Cid cid, BitswapSession session, CancellationToken cancellationToken)
    {
        Want want;
        lock (_lock)
        {
            if (!_wants.TryGetValue(cid.Hash, out want!))
            {
                want = new Want(cid) { Since = Environment.TickCount64 };
                _wants.Add(cid.Hash, want);
                want.Sessions.Add(session);
                Dispatch(want);
            }
            else
            {
                want.Sessions.Add(session);
                if (want.Asked is null)
                {
                    Dispatch(want);
                }
            }

            want.Waiters++;
        }

        try
        {
            await want.Done.Task.WaitAsync(cancellationToken);
        }
        finally
        {
            lock (_lock)
            {
                want.Sessions.Remove(session);
                if (--want.Waiters == 0 && !want.Done.Task.IsCompleted)
                {
                    Forget(want);
                }
            }
        }
    }

    /// <summary>What a block is that this peer has sent.</summary>
    public BlockExpectation Expects(PeerId peer, in Multihash hash)
    {
        lock (_lock)
        {
            PeerState? state = _peers.GetValueOrDefault(peer);
            bool asked = state is not null && state.Remembered.Contains(hash);
            return asked
                ? _wants.ContainsKey(hash) ? BlockExpectation.Wanted : BlockExpectation.Late
                : state is { Overflowed: true } ? BlockExpectation.Late : BlockExpectation.Unknown;
        }
    }

    /// <summary>A wanted block is stored.</summary>
    public void Received(PeerId peer, in Multihash hash)
    {
        lock (_lock)
        {
            if (_peers.TryGetValue(peer, out PeerState? state))
            {
                state.LastBlock = Environment.TickCount64;
            }

            if (_wants.TryGetValue(hash, out Want? want))
            {
                // The one who sent it is told too: some implementations keep a want until it is cancelled.
                _link(peer).Send(new WantEntry(want.Cid, 0, Cancel: true, WantHave: false, SendDontHave: false));
                Forget(want, except: peer);
                want.Done.TrySetResult();
            }

            AskUnasked();
        }
    }

    /// <summary>A peer says whether it has a block.</summary>
    public void Presence(PeerId peer, PresenceEntry presence)
    {
        lock (_lock)
        {
            if (presence.Have || !_wants.TryGetValue(presence.Cid.Hash, out Want? want) || want.Asked != peer)
            {
                return;
            }

            Unask(want);
            want.Refused.Add(peer);
            Dispatch(want);
            AskUnasked();
        }
    }

    /// <summary>A peer is connected and known: wants that nobody could serve may go to it.</summary>
    public void PeerCame(PeerId peer)
    {
        lock (_lock)
        {
            foreach (Want want in _wants.Values)
            {
                want.Refused.Remove(peer);
            }

            AskUnasked();
        }
    }

    /// <summary>A peer is gone: its wants go elsewhere.</summary>
    public void PeerGone(PeerId peer)
    {
        lock (_lock)
        {
            Want[] orphans = [.. _wants.Values.Where(w => w.Asked == peer)];
            _peers.Remove(peer);
            foreach (Want want in orphans)
            {
                want.Asked = null;
                want.Refused.Add(peer);
            }

            foreach (Want want in orphans)
            {
                Dispatch(want);
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watch.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
        {
            foreach (Want want in _wants.Values)
            {
                Fail(want, "Bitswap is stopping");
            }

            _wants.Clear();
        }
    }

    private void Dispatch(Want want)
    {
        PeerId? best = null;
        int least = int.MaxValue;
        int ties = 0;
        bool known = false;
        foreach (PeerId peer in Candidates(want))
        {
            if (want.Refused.Contains(peer))
            {
                continue;
            }

            known = true;
            int underWay = _peers.TryGetValue(peer, out PeerState? state) ? state.UnderWay : 0;
            if (underWay >= _options.WantsPerPeer || underWay > least)
            {
                continue;
            }

            // Reservoir of one among equals.
            ties = underWay < least ? 1 : ties + 1;
            least = underWay;
            if (ties == 1 || Random.Shared.Next(ties) == 0)
            {
                best = peer;
            }
        }

        if (best is not { } chosen)
        {
            if (known)
            {
                // Every one of them is busy, which is no reason to give up.
                want.Since = Environment.TickCount64;
            }

            if (want.Place is null)
            {
                want.Place = _unasked.AddLast(want);
            }

            return;
        }

        if (want.Place is { } place)
        {
            _unasked.Remove(place);
            want.Place = null;
        }

        if (!_peers.TryGetValue(chosen, out PeerState? chosenState))
        {
            _peers[chosen] = chosenState = new PeerState();
        }

        if (chosenState.UnderWay == 0)
        {
            chosenState.LastBlock = Environment.TickCount64;
        }

        chosenState.UnderWay++;
        chosenState.Remember(want.Cid.Hash);
        want.Asked = chosen;
        want.AskedAt = Environment.TickCount64;
        _link(chosen).Send(new WantEntry(want.Cid, 1, Cancel: false, WantHave: false, SendDontHave: true));
    }

    private IEnumerable<PeerId> Candidates(Want want)
    {
        IReadOnlyCollection<PeerId> connected = _connected();
        return want.Sessions.Exists(s => s.TakesAnyPeer) ? connected : connected.Where(p => want.Sessions.Exists(s => s.Knows(p)));
    }

    private void AskUnasked()
    {
        for (LinkedListNode<Want>? node = _unasked.First; node is not null;)
        {
            LinkedListNode<Want>? next = node.Next;
            Want want = node.Value;
            Dispatch(want);
            if (want.Asked is null && want.Refused.Count == 0)
            {
                // The windows are full: those behind would find the same.
                return;
            }

            node = next;
        }
    }

    private void Unask(Want want)
    {
        if (want.Asked is { } peer && _peers.TryGetValue(peer, out PeerState? state))
        {
            state.UnderWay--;
        }

        want.Asked = null;
        want.Since = Environment.TickCount64;
    }

    /// <summary>Drops a want, with a cancel to whom it was asked of.</summary>
    private void Forget(Want want, PeerId? except = null)
    {
        if (want.Asked is { } asked && asked != except)
        {
            _link(asked).Send(new WantEntry(want.Cid, 0, Cancel: true, WantHave: false, SendDontHave: false));
        }

        Unask(want);
        _wants.Remove(want.Cid.Hash);
        if (want.Place is { } place)
        {
            _unasked.Remove(place);
            want.Place = null;
        }
    }

    private static void Fail(Want want, string reason) =>
        want.Done.TrySetException(new BlockUnavailableException($"block {want.Cid}: {reason}"));

    private async Task WatchAsync()
    {
        using var timer = new PeriodicTimer(Tick);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                lock (_lock)
                {
                    Watch(Environment.TickCount64);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }

    private void Watch(long now)
    {
        foreach (Want want in _wants.Values.ToArray())
        {
            if (want.Asked is { } peer)
            {
                MoveIfStalled(want, peer, now);
            }
            else if (now - want.Since > _options.NoPeerTime.TotalMilliseconds)
            {
                string tried = want.Refused.Count == 0 ? "no connected peer to ask" : $"not had from {string.Join(", ", want.Refused)}";
                Forget(want);
                Fail(want, $"{tried} within {_options.NoPeerTime.TotalSeconds} s");
            }
        }

        AskUnasked();
    }

    private void MoveIfStalled(Want want, PeerId peer, long now)
    {
        if (!_peers.TryGetValue(peer, out PeerState? state))
        {
            return;
        }

        long quiet = now - Math.Max(want.AskedAt, state.LastBlock);
        bool others = Candidates(want).Any(p => p != peer && !want.Refused.Contains(p));
        bool dead = quiet > _options.NoPeerTime.TotalMilliseconds;
        if (dead || (others && quiet > _options.StallTime.TotalMilliseconds))
        {
            _link(peer).Send(new WantEntry(want.Cid, 0, Cancel: true, WantHave: false, SendDontHave: false));
            Unask(want);
            want.Refused.Add(peer);
            if (dead && !others)
            {
                Forget(want);
                Fail(want, $"{peer} was asked and sent nothing for {_options.NoPeerTime.TotalSeconds} s");
                return;
            }

            Dispatch(want);
        }
    }

    private sealed class Want(Cid cid)
    {
        public Cid Cid { get; } = cid;

        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public List<BitswapSession> Sessions { get; } = [];

        public HashSet<PeerId> Refused { get; } = [];

        public int Waiters { get; set; }

        public PeerId? Asked { get; set; }

        public long AskedAt { get; set; }

        /// <summary>Since when nobody is asked, in milliseconds of the system's clock.</summary>
        public long Since { get; set; }

        public LinkedListNode<Want>? Place { get; set; }
    }

    private sealed class PeerState
    {
        private readonly Queue<Multihash> _order = new();

        public int UnderWay { get; set; }

        public long LastBlock { get; set; }

        public HashSet<Multihash> Remembered { get; } = [];

        public bool Overflowed { get; private set; }

        public void Remember(in Multihash hash)
        {
            if (!Remembered.Add(hash))
            {
                return;
            }

            _order.Enqueue(hash);
            if (_order.Count > MaxRemembered)
            {
                Remembered.Remove(_order.Dequeue());
                Overflowed = true;
            }
        }
    }
}
