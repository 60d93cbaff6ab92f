using Ipcs.Bitswap.Wire;

namespace Ipcs.Bitswap.Client;

/// <summary>Handles stalled and slow peers, and wants that no peer serves.</summary>
internal sealed partial class WantScheduler
{
    /// <summary>After how long a request to the only peer is repeated: the peer may have dropped it.</summary>
    private const long RepeatTime = 5_000_000;

    /// <summary>How long a want counts as servable before that is checked again.</summary>
    private const long LookTime = 1_000_000;

    /// <summary>Moves wants from slow peers and fails those that have waited too long; called a few times a second.</summary>
    /// <param name="now">The time.</param>
    /// <param name="isBehind">True while this node takes received blocks too slowly: then no peer is unfair.</param>
    public void Tick(long now, bool isBehind = false)
    {
        foreach (PeerState state in _peers.Values)
        {
            if (isBehind)
            {
                state.Fairness.Begin(now, state.Received.Count);
            }

            state.Fairness.Update(now, state.Received.Count);
            MoveIfQuiet(state, now);
            CancelFinished(state);
        }

        MoveFromSlow(now);
        foreach (PeerState state in _peers.Values)
        {
            state.PeerWantQueue.Unpark();
        }

        Fill(now);
        long lookTime = Math.Min(LookTime, Microseconds(options.NoPeerTime) / 4);
        for (LinkedListNode<Want>? node = _unasked.First, next; node is not null; node = next)
        {
            next = node.Next;
            if (now - Math.Max(node.Value.Since, node.Value.ServableAt) >= lookTime || now > node.Value.RetryAt)
            {
                LookAfter(node.Value, now);
            }
        }

        Fill(now);
    }

    /// <summary>Handles a want left unassigned after every peer with room was filled: it waits, is tried again, or fails.</summary>
    private void LookAfter(Want want, long now)
    {
        if (CanBeServed(want, now))
        {
            // A busy peer is no reason to fail.
            want.ServableAt = now;
        }
        else if (now - Math.Max(want.Since, want.ServableAt) > Microseconds(options.NoPeerTime))
        {
            Fail(want);
        }
        else if (FailedImpatient(want, now - Math.Max(want.Since, want.ServableAt)))
        {
            // Nobody else wants it.
        }
        else if (now > want.RetryAt && (want.Refused.Count > 0 || want.Sessions.Exists(s => s.PeerScope == PeerScope.Broadcast)))
        {
            want.RetryAt = now + RetryTime;
            want.Refused.Clear();
            want.NotifiedPeers.Clear();
            foreach (BitswapSession session in want.Sessions)
            {
                AskWhetherHad(want, session);
            }

            Offer(want);
        }
    }

    private bool CanBeServed(Want want, long now)
    {
        foreach (PeerState peer in _peers.Values)
        {
            if (CanServe(peer, want, now))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// Handles a peer that sends none of the requested blocks, or less than a fair rate: its wants move to peers that can serve them; when
    /// there are none, the request is repeated, and at last the want fails.
    /// </summary>
    private void MoveIfQuiet(PeerState state, long now)
    {
        long quiet = now - state.LastBlock, unfair = state.Fairness.UnfairTime(now);
        if (state.UnderWay.Count == 0 || (quiet < Microseconds(options.StallTime) && unfair < Microseconds(options.FairTime)))
        {
            return;
        }

        foreach (Want want in state.UnderWay.ToArray())
        {
            if (now - want.AskedAt < Microseconds(options.StallTime))
            {
                continue;
            }

            if (unfair >= Microseconds(options.FairTime))
            {
                want.Sessions.ForEach(s => s.Unfair.Add(state.Peer));
            }

            if (_peers.Values.Any(p => p != state && !p.Stalled && CanServe(p, want, now)))
            {
                state.Stalled = true;
                Move(want, state, now);
            }
            else if (quiet > Microseconds(options.NoPeerTime))
            {
                Release(want);
                want.Refused.Add(state.Peer);
                Fail(want);
            }
            else if (FailedImpatient(want, Math.Min(unfair, now - want.AskedAt), state))
            {
                // Nobody else wants it.
            }
            else if (now - want.AskedAt > RepeatTime)
            {
                want.AskedAt = now;
                Outbox.Add((state.Peer, new WantEntry(want.Cid, 1, Cancel: false, WantHave: false, SendDontHave: true)));
            }
        }
    }

    /// <summary>
    /// Moves wants from a slow peer to a fast one that has room and no other wants; only when they would arrive much sooner, since the slow
    /// peer may send them all the same.
    /// </summary>
    private void MoveFromSlow(long now)
    {
        if (_unasked.Count > 0)
        {
            return;
        }

        foreach (PeerState slow in _peers.Values)
        {
            foreach (Want want in slow.UnderWay.ToArray())
            {
                long age = now - want.AskedAt;
                if (age < Microseconds(options.StallTime))
                {
                    continue;
                }

                PeerState? quick = _peers.Values.FirstOrDefault(
                    p => p != slow
                        && !p.Stalled
                        && p.HasRoom(_typical)
                        && p.Window.Rate > 4 * slow.Window.Rate
                        && p.Window.Delay < age / 4
                        && CanServe(p, want, now));
                if (quick is not null)
                {
                    Cancel(slow.Peer, want);
                    Unask(want, now);
                    Ask(quick, want, now);
                }
            }
        }
    }

    private void Move(Want want, PeerState from, long now)
    {
        Cancel(from.Peer, want);
        want.Refused.Add(from.Peer);
        want.RetryAt = now + RetryTime;
        Unask(want, now);
    }
}
