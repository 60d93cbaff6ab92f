using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>Chooses the next block for each peer.</summary>
internal sealed partial class WantScheduler
{
    /// <summary>Ranks of wants, the best first; between the second and the last, the number of providers.</summary>
    private const int UrgentRank = -2, AssignedRank = -1, InOrderRank = int.MaxValue;

    private readonly List<PeerState> _open = [];

    /// <summary>Requests the next wants from every peer with room, one at a time, from the peer with the shortest backlog first.</summary>
    private void Fill(long now)
    {
        if (_unasked.Count == 0 || !_pace.IsOpen(now))
        {
            return;
        }

        _open.Clear();
        foreach (PeerState state in _peers.Values)
        {
            if (state.HasRoom(_typical))
            {
                _open.Add(state);
            }
        }

        while (_open.Count > 0 && _unasked.Count > 0 && _pace.IsOpen(now))
        {
            PeerState least = _open[0];
            int ties = 1;
            for (int i = 1; i < _open.Count; i++)
            {
                PeerState state = _open[i];
                int order = state.Backlog.CompareTo(least.Backlog);
                if (order < 0 || (order == 0 && random.Next(++ties) == 0))
                {
                    ties = order < 0 ? 1 : ties;
                    least = state;
                }
            }

            Want? next = Next(least, now);
            if (next is not null)
            {
                Ask(least, next, now);
            }

            if (next is null || !least.HasRoom(_typical))
            {
                _open.Remove(least);
            }
        }
    }

    /// <summary>Requests the next wants from one peer.</summary>
    private void FillOne(PeerState? peer, long now)
    {
        while (peer is not null && _unasked.Count > 0 && peer.HasRoom(_typical) && _pace.IsOpen(now) && Next(peer, now) is { } next)
        {
            Ask(peer, next, now);
        }
    }

    /// <summary>The best want for a peer now; null when it can serve none.</summary>
    private Want? Next(PeerState peer, long now)
    {
        // The first window is requested before the leechers are known; in order, all of them would request the same blocks.
        bool shuffled = _peers.Count > 1 && peer.Window.Rate == 0;
        PeerWantQueue candidates = peer.PeerWantQueue;
        if (candidates.IsOutdated || candidates.IsShuffled != shuffled)
        {
            Gather(peer, shuffled);
        }

        while (candidates.TryPeek(out Want? want, out int rank))
        {
            if (want.Place is null)
            {
                candidates.Drop();
            }
            else if (RankOf(want, shuffled) is var by && by > rank)
            {
                candidates.Demote(by, OrderOf(want, by));
            }
            else if (!CanServe(peer, want, now))
            {
                candidates.Park();
            }
            else
            {
                return IsLeftToLeechers(peer, want, rank, now) ? null : want;
            }
        }

        return null;
    }

    /// <summary>
    /// Queues an unassigned want for all peers that may serve it: it is new, or has other peers or a better rank than before.
    /// </summary>
    private void Offer(Want want)
    {
        foreach (PeerState peer in _peers.Values)
        {
            Offer(peer, want);
        }
    }

    private void Offer(PeerState peer, Want want)
    {
        if (want.Place is not null && !peer.PeerWantQueue.IsOutdated && MayServe(peer, want))
        {
            int rank = RankOf(want, peer.PeerWantQueue.IsShuffled);
            peer.PeerWantQueue.Add(want, rank, OrderOf(want, rank), _unasked.Count);
        }
    }

    private void Gather(PeerState peer, bool shuffled)
    {
        peer.PeerWantQueue.Begin(shuffled);
        foreach (Want want in _unasked)
        {
            Offer(peer, want);
        }
    }

    private void OutdateAll()
    {
        foreach (PeerState peer in _peers.Values)
        {
            peer.PeerWantQueue.Outdate();
        }
    }

    private int RankOf(Want want, bool shuffled) =>
        want.Urgent ? UrgentRank
        : !shuffled && !want.Sessions.Exists(s => s.Trades) ? InOrderRank
        : IsAssigned(want) ? AssignedRank
        : want.Providers.Count;

    private long OrderOf(Want want, int rank) => rank is UrgentRank or InOrderRank ? want.Order : random.NextInt64();

    /// <summary>
    /// True when the best want for a source is assigned to another leecher: once this node's own are requested, the leechers get some time
    /// for theirs, once per session, so that a slow one does not stop all; more time when a leecher is faster than the source.
    /// </summary>
    private bool IsLeftToLeechers(PeerState peer, Want want, int rank, long now)
    {
        if (rank != 0
            || want.Sessions.Find(s => s.Trades) is not { } session
            || !session.Peers.TryGetValue(peer.Peer, out PeerAvailability availability)
            || availability == PeerAvailability.Partial)
        {
            return false;
        }

        session.AssignedDoneAt = Math.Min(session.AssignedDoneAt, now);
        return now - session.AssignedDoneAt < (HasFasterLeecher(session, peer) ? LongTradeTime : TradeTime);
    }

    private bool HasFasterLeecher(BitswapSession session, PeerState whole)
    {
        foreach ((PeerId peer, PeerAvailability availability) in session.Peers)
        {
            if (availability == PeerAvailability.Partial
                && _peers.TryGetValue(peer, out PeerState? leecher)
                && !leecher.Stalled
                && leecher.Window.Rate > whole.Window.Rate)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>True when no leecher has the block, and rendezvous hashing assigns it to this node.</summary>
    private bool IsAssigned(Want want)
    {
        if (want.Providers.Count > 0 || want.Sessions.Find(s => s.Trades) is not { } session)
        {
            return false;
        }

        if (want.AssignedAmong != session.Leechers)
        {
            ulong ours = RendezvousHash.Score(self, want.Cid.Hash);
            want.AssignedAmong = session.Leechers;
            want.IsAssigned = true;
            foreach ((PeerId leecher, PeerAvailability availability) in session.Peers)
            {
                want.IsAssigned &= availability != PeerAvailability.Partial || RendezvousHash.Score(leecher, want.Cid.Hash) <= ours;
            }
        }

        return want.IsAssigned;
    }
}
