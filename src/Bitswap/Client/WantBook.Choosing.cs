using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>Who is asked for which block next.</summary>
internal sealed partial class WantBook
{
    /// <summary>Wants looked at to find the next one for a peer: several contents' worth.</summary>
    private const int MaxLooked = 2048;

    /// <summary>How long a block is left to the receivers after the first of them has said to have it.</summary>
    private const long TradeTime = 1_000_000;

    /// <summary>The same, where that receiver's link is quicker than the link of who has the whole: then this is the narrow one.</summary>
    private const long LongTradeTime = 5_000_000;

    /// <summary>How long peers of whom nothing is known have to say HAVE before one of them is asked blindly.</summary>
    private const long HaveTime = 200_000;

    /// <summary>Gives every peer with room its next wants, those who owe the least first, one at a time.</summary>
    private void Fill(long now)
    {
        if (_unasked.Count == 0 || !_pace.IsOpen(now))
        {
            return;
        }

        var open = new List<PeerState>(_peers.Values.Where(p => p.HasRoom(_typical)));
        while (open.Count > 0 && _unasked.Count > 0 && _pace.IsOpen(now))
        {
            PeerState least = open[0];
            int ties = 1;
            foreach (PeerState state in open.Skip(1))
            {
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
                open.Remove(least);
            }
        }
    }

    /// <summary>Gives one peer its next wants.</summary>
    private void FillOne(PeerState? peer, long now)
    {
        while (peer is not null && _unasked.Count > 0 && peer.HasRoom(_typical) && _pace.IsOpen(now) && Next(peer, now) is { } next)
        {
            Ask(peer, next, now);
        }
    }

    /// <summary>The want that a peer is best asked for now; null when it can serve none.</summary>
    private Want? Next(PeerState peer, long now)
    {
        // The first window is asked for before it is known who fetches the same: were it in order, all of them would ask for the same blocks.
        bool shuffled = _peers.Count > 1 && peer.Window.Rate == 0;
        Want? best = null;
        int least = int.MaxValue, ties = 0, looked = 0;
        foreach (Want want in _unasked)
        {
            if (++looked > MaxLooked)
            {
                break;
            }

            if (!CanServe(peer, want, now))
            {
                continue;
            }

            if (want.Urgent)
            {
                return want;
            }

            bool traded = shuffled || want.Sessions.Exists(s => s.Trades);
            if (!traded)
            {
                // In order, behind what is traded at random.
                best ??= want;
                if (least == int.MaxValue)
                {
                    return best;
                }

                continue;
            }

            int rank = IsOurTurn(want) ? -1 : want.Holders.Count;
            if (rank < least)
            {
                (best, least, ties) = (want, rank, 1);
            }
            else if (rank == least && random.Next(++ties) == 0)
            {
                best = want;
            }
        }

        return best is not null && IsOthersTurn(peer, best, least, now) ? null : best;
    }

    /// <summary>
    /// True when what a source is best asked for now is what others shall take from it: once this node's own are under way, they get some time for theirs,
    /// once in a session, lest one who is slow stops all; more time where the source's link is not the quickest.
    /// </summary>
    private bool IsOthersTurn(PeerState peer, Want want, int rank, long now)
    {
        if (rank != 0 || want.Sessions.Find(s => s.Trades) is not { } session || !session.Peers.TryGetValue(peer.Peer, out Holding holding) || holding == Holding.Part)
        {
            return false;
        }

        session.TurnOverAt = Math.Min(session.TurnOverAt, now);
        return now - session.TurnOverAt < (HasQuickerFellow(session, peer) ? LongTradeTime : TradeTime);
    }

    private bool HasQuickerFellow(BitswapSession session, PeerState whole)
    {
        foreach ((PeerId peer, Holding holding) in session.Peers)
        {
            if (holding == Holding.Part && _peers.TryGetValue(peer, out PeerState? fellow) && !fellow.Stalled && fellow.Window.Rate > whole.Window.Rate)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>True when nobody has the block, and of those who fetch it it is this node that shall take it from the source.</summary>
    private bool IsOurTurn(Want want)
    {
        if (want.Holders.Count > 0 || want.Sessions.Find(s => s.Trades) is not { } session)
        {
            return false;
        }

        if (want.TurnsAmong != session.Fellows)
        {
            ulong ours = Turns.Mark(self, want.Cid.Hash);
            want.TurnsAmong = session.Fellows;
            want.IsOurTurn = !session.Peers.Any(p => p.Value == Holding.Part && Turns.Mark(p.Key, want.Cid.Hash) > ours);
        }

        return want.IsOurTurn;
    }

    private bool CanServe(PeerState peer, Want want, long now)
    {
        if (want.Refused.Contains(peer.Peer))
        {
            return false;
        }

        bool has = want.Holders.Contains(peer.Peer);
        foreach (BitswapSession session in want.Sessions)
        {
            if (session.Peers.TryGetValue(peer.Peer, out Holding holding))
            {
                // Whoever has the whole is spared what the receivers can give each other.
                bool spared = holding != Holding.Part && session.Trades && !want.Urgent && HasFellowHolder(want, session, peer, now);
                if (!spared && (holding != Holding.Part || has))
                {
                    return true;
                }
            }
            else if (session.Reach != Reach.Told && (has || IsBlindGuess(peer, want, session, now)))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>True when a peer of whom nothing is known may be asked for the block itself.</summary>
    private bool IsBlindGuess(PeerState peer, Want want, BitswapSession session, long now) => session.Reach == Reach.Scattered
        ? !peer.SaysHave && want.Holders.Count == 0
        : !_peers.Keys.Any(p => session.Peers.ContainsKey(p) && !want.Refused.Contains(p))
        && want.Holders.Count == 0
        && (_peers.Count == 1 || !peer.SaysHave || now - want.Since > HaveTime);

    /// <summary>True when a receiver has the block that is better asked than <paramref name="whole"/>, once it has room.</summary>
    private bool HasFellowHolder(Want want, BitswapSession session, PeerState whole, long now)
    {
        long age = now - want.HeldAt;
        if (age >= LongTradeTime)
        {
            return false;
        }

        foreach (PeerId holder in want.Holders)
        {
            if (session.Peers.TryGetValue(holder, out Holding holding) && holding == Holding.Part && _peers.TryGetValue(holder, out PeerState? state)
                && !state.Stalled && (state.UnderWay.Count == 0 || now - state.LastBlock < Microseconds(options.StallTime))
                && (age < TradeTime || state.Window.Rate > whole.Window.Rate))
            {
                return true;
            }
        }

        return false;
    }
}
