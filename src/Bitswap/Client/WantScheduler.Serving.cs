using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>Who can serve what.</summary>
internal sealed partial class WantScheduler
{
    /// <summary>How long a block is left to the receivers after the first of them has said to have it.</summary>
    private const long TradeTime = 1_000_000;

    /// <summary>The same, where that receiver's link is quicker than the link of who has the whole: then this is the narrow one.</summary>
    private const long LongTradeTime = 5_000_000;

    /// <summary>How long peers of whom nothing is known have to say HAVE before one of them is asked blindly.</summary>
    private const long HaveTime = 200_000;

    /// <summary>True when a peer can be asked for a block now.</summary>
    private bool CanServe(PeerState peer, Want want, long now)
    {
        if (want.Refused.Contains(peer.Peer))
        {
            return false;
        }

        foreach (BitswapSession session in want.Sessions)
        {
            if (MayServe(peer, want, session) && IsTimely(peer, want, session, now))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>True when a peer can be asked for a block now, or once time has passed, with nothing else to happen before.</summary>
    private bool MayServe(PeerState peer, Want want)
    {
        if (want.Refused.Contains(peer.Peer))
        {
            return false;
        }

        foreach (BitswapSession session in want.Sessions)
        {
            if (MayServe(peer, want, session))
            {
                return true;
            }
        }

        return false;
    }

    private bool MayServe(PeerState peer, Want want, BitswapSession session) => session.Peers.TryGetValue(peer.Peer, out PeerAvailability availability)
        ? availability != PeerAvailability.Partial || want.Providers.Contains(peer.Peer)
        : session.PeerScope != PeerScope.Named && (want.Providers.Contains(peer.Peer) || MayBeGuessed(peer, want, session));

    /// <summary>True when a peer of whom nothing is known may be asked for the block itself, all the same.</summary>
    private bool MayBeGuessed(PeerState peer, Want want, BitswapSession session) =>
        want.Providers.Count == 0 && (session.PeerScope == PeerScope.Broadcast ? !peer.SaysHave : !KnowsSomebody(session, want));

    /// <summary>True unless who has the whole is spared what the receivers can give each other, or those of whom nothing is known have time to say HAVE.</summary>
    private bool IsTimely(PeerState peer, Want want, BitswapSession session, long now)
    {
        if (session.Peers.TryGetValue(peer.Peer, out PeerAvailability availability))
        {
            return availability == PeerAvailability.Partial || !session.Trades || want.Urgent || !HasLeecherWithBlock(want, session, peer, now);
        }

        return want.Providers.Contains(peer.Peer) || !peer.SaysHave || _peers.Count == 1 || now - want.Since > HaveTime;
    }

    /// <summary>True when the session knows a connected peer, be it with a part only, that has not refused the block.</summary>
    private bool KnowsSomebody(BitswapSession session, Want want)
    {
        foreach (PeerId peer in session.Peers.Keys)
        {
            if (!want.Refused.Contains(peer) && _peers.ContainsKey(peer))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>True when a receiver has the block that is better asked than <paramref name="whole"/>, once it has room.</summary>
    private bool HasLeecherWithBlock(Want want, BitswapSession session, PeerState whole, long now)
    {
        long age = now - want.FirstProvidedAt;
        if (age >= LongTradeTime)
        {
            return false;
        }

        foreach (PeerId provider in want.Providers)
        {
            if (session.Peers.TryGetValue(provider, out PeerAvailability availability) && availability == PeerAvailability.Partial && _peers.TryGetValue(provider, out PeerState? state)
                && !state.Stalled && (state.UnderWay.Count == 0 || now - state.LastBlock < Microseconds(options.StallTime))
                && (age < TradeTime || state.Window.Rate > whole.Window.Rate))
            {
                return true;
            }
        }

        return false;
    }
}
