using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>Which peer can serve which want.</summary>
internal sealed partial class WantScheduler
{
    /// <summary>How long a block is left to the leechers after the first HAVE.</summary>
    private const long TradeTime = 1_000_000;

    /// <summary>The same, when the leecher is faster than the complete peer, which is then the bottleneck.</summary>
    private const long LongTradeTime = 5_000_000;

    /// <summary>How long unknown peers have to send HAVE before the block is requested from one of them.</summary>
    private const long HaveTime = 200_000;

    /// <summary>True when a block can be requested from a peer now.</summary>
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

    /// <summary>True when a block can be requested from a peer now or later, without another event.</summary>
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

    private bool MayServe(PeerState peer, Want want, BitswapSession session) =>
        session.Peers.TryGetValue(peer.Peer, out PeerAvailability availability)
        ? availability != PeerAvailability.Partial || want.Providers.Contains(peer.Peer)
        : session.PeerScope != PeerScope.Named && (want.Providers.Contains(peer.Peer) || MayBeGuessed(peer, want, session));

    /// <summary>True when the block may be requested from a peer of which nothing is known.</summary>
    private bool MayBeGuessed(PeerState peer, Want want, BitswapSession session) =>
        want.Providers.Count == 0 && (session.PeerScope == PeerScope.Broadcast ? !peer.SaysHave : !KnowsSomebody(session, want));

    /// <summary>
    /// False while leechers can provide the block instead of a complete peer, and while unknown peers have time to send HAVE.
    /// </summary>
    private bool IsTimely(PeerState peer, Want want, BitswapSession session, long now)
    {
        if (session.Peers.TryGetValue(peer.Peer, out PeerAvailability availability))
        {
            return availability == PeerAvailability.Partial || !session.Trades || want.Urgent
                || !HasLeecherWithBlock(want, session, peer, now);
        }

        return want.Providers.Contains(peer.Peer) || !peer.SaysHave || _peers.Count == 1 || now - want.Since > HaveTime;
    }

    /// <summary>True when the session knows a connected peer, complete or not, that has not refused the block.</summary>
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

    /// <summary>True when a leecher has the block that should be asked instead of <paramref name="whole"/>.</summary>
    private bool HasLeecherWithBlock(Want want, BitswapSession session, PeerState whole, long now)
    {
        long age = now - want.FirstProvidedAt;
        if (age >= LongTradeTime)
        {
            return false;
        }

        foreach (PeerId provider in want.Providers)
        {
            if (session.Peers.TryGetValue(provider, out PeerAvailability availability)
                && availability == PeerAvailability.Partial
                && _peers.TryGetValue(provider, out PeerState? state)
                && !state.Stalled && (state.UnderWay.Count == 0 || now - state.LastBlock < Microseconds(options.StallTime))
                && (age < TradeTime || state.Window.Rate > whole.Window.Rate))
            {
                return true;
            }
        }

        return false;
    }
}
