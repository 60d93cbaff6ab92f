using Ipcs.Bitswap.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>Sends want-haves, wants and cancels.</summary>
internal sealed partial class WantScheduler
{
    private void AskWhetherHad(BitswapSession session)
    {
        foreach (Want want in _wants.Values)
        {
            if (want.Sessions.Contains(session))
            {
                AskWhetherHad(want, session);
            }
        }
    }

    /// <summary>
    /// Sends a want-have to the peers that may have a block: the session's leechers, and every peer while the session knows none, or when
    /// it broadcasts.
    /// </summary>
    private void AskWhetherHad(Want want, BitswapSession session)
    {
        bool broadcasts = session.PeerScope == PeerScope.Broadcast;
        bool knowsNobody = session.PeerScope == PeerScope.Connected && _peers.Count > 1 && !KnowsSomebody(session, want);
        foreach (PeerState state in _peers.Values)
        {
            bool may = session.Peers.TryGetValue(state.Peer, out PeerAvailability availability)
                ? availability == PeerAvailability.Partial
                : broadcasts || knowsNobody;
            if (may && state.SaysHave && !want.Refused.Contains(state.Peer) && want.NotifiedPeers.Add(state.Peer))
            {
                _asked.Add(state.Peer, want.Cid.Hash);
                CancelFinished(state);

                // A leecher sends HAVE now or when it gets the block; a DONT_HAVE would say nothing new.
                Outbox.Add((state.Peer, new WantEntry(want.Cid, 1, Cancel: false, WantHave: true, SendDontHave: knowsNobody)));
            }
        }
    }

    /// <summary>
    /// Asks all peers that are not known to have the content for one of its blocks. All were asked for the root, but the first answer ended
    /// that want, and the others were ignored.
    /// </summary>
    private void Probe(Want want, BitswapSession session)
    {
        foreach (PeerState state in _peers.Values)
        {
            if (state.SaysHave && !session.Peers.ContainsKey(state.Peer) && want.NotifiedPeers.Add(state.Peer))
            {
                _asked.Add(state.Peer, want.Cid.Hash);
                CancelFinished(state);
                Outbox.Add((state.Peer, new WantEntry(want.Cid, 1, Cancel: false, WantHave: true, SendDontHave: false)));
            }
        }
    }

    private void Ask(PeerState peer, Want want, long now)
    {
        LeaveUnasked(want);
        if (peer.UnderWay.Count == 0)
        {
            peer.LastBlock = now;
            peer.Window.Begin(now);
            if (!peer.Stalled)
            {
                // A stalled peer gets one request at a time, and its time goes on.
                peer.Fairness.Begin(now, peer.Received.Count);
            }
        }

        want.Asked = peer;
        want.AskedAt = now;
        want.Weight = _typical;
        peer.UnderWay.Add(want);
        peer.BytesUnderWay += want.Weight;
        peer.IsFilling = peer.Fits(_typical);
        _pace.Spend(want.Weight, now);
        _asked.Add(peer.Peer, want.Cid.Hash);
        CancelFinished(peer);
        Outbox.Add((peer.Peer, new WantEntry(want.Cid, want.Urgent ? 2 : 1, Cancel: false, WantHave: false, SendDontHave: true)));
    }

    /// <summary>Makes a requested want unassigned again, before all others.</summary>
    private void Unask(Want want, long now)
    {
        if (want.Asked is null)
        {
            return;
        }

        Release(want);
        want.Since = now;
        want.Order = --_firstOrder;
        want.Place = _unasked.AddFirst(want);
        Offer(want);
    }

    private void Release(Want want)
    {
        if (want.Asked is { } peer)
        {
            peer.UnderWay.Remove(want);
            peer.BytesUnderWay -= want.Weight;
            _pace.Refund(want.Weight);
            want.Asked = null;
        }
    }

    private void LeaveUnasked(Want want)
    {
        if (want.Place is { } place)
        {
            _unasked.Remove(place);
            want.Place = null;
        }
    }

    private void Cancel(PeerId peer, Want want) => Cancel(peer, want.Cid);

    private void Cancel(PeerId peer, Cid cid) =>
        Outbox.Add((peer, new WantEntry(cid, 0, Cancel: true, WantHave: false, SendDontHave: false)));

    /// <summary>
    /// Cancels the blocks that a peer has sent: some implementations keep a want until it is cancelled. Not for each block at once, since a
    /// message for each would cost more than the cancels; before any other entry for the peer, which may want such a block again.
    /// </summary>
    private void CancelFinished(PeerState peer)
    {
        foreach (Cid cid in peer.Finished)
        {
            Cancel(peer.Peer, cid);
        }

        peer.Finished.Clear();
    }

    /// <summary>Removes a want, and cancels it at all peers that were asked.</summary>
    private void Forget(Want want)
    {
        if (want.Asked is { } asked)
        {
            want.NotifiedPeers.Add(asked.Peer);
            Release(want);
        }

        foreach (PeerId peer in want.NotifiedPeers)
        {
            if (_peers.ContainsKey(peer))
            {
                Cancel(peer, want);
            }
        }

        LeaveUnasked(want);
        _wants.Remove(want.Cid.Hash);
    }

    private void Fail(Want want)
    {
        BlockUnavailableException failure = FailureOf(want, options.NoPeerTime);
        Forget(want);
        want.Fail(failure);
    }

    /// <summary>Fails a want for the sessions whose patience is over, and leaves it to the others. True when there are no others.</summary>
    /// <param name="want">The want.</param>
    /// <param name="waited">How long it has waited, in microseconds.</param>
    /// <param name="from">The peer that was asked for it and has not sent it; null when none is asked now.</param>
    private bool FailedImpatient(Want want, long waited, PeerState? from = null)
    {
        if (!want.Sessions.Exists(s => s.Patience <= waited))
        {
            return false;
        }

        if (from is not null)
        {
            want.Refused.Add(from.Peer);
        }

        BlockUnavailableException failure = FailureOf(want, TimeSpan.FromMicroseconds(waited));
        foreach ((BitswapSession session, Cid cid) in want.Prefetches.Where(p => p.Session.Patience <= waited).ToArray())
        {
            want.Prefetches.Remove((session, cid));
            LetGo(want, session);
            session.Report(want, cid, isLeaf: false, failure: failure);
        }

        return want.Sessions.Count == 0;
    }

    private static BlockUnavailableException FailureOf(Want want, TimeSpan time)
    {
        string tried = want.Refused.Count > 0 ? $"no block from {string.Join(", ", want.Refused)}"
            : want.NotifiedPeers.Count > 0 ? $"none of the {want.NotifiedPeers.Count} peers asked has said to have it"
            : "no connected peer to ask";
        return new BlockUnavailableException($"block {want.Cid}: {tried} within {time.TotalSeconds:0.#} s", [.. want.Refused]);
    }
}
