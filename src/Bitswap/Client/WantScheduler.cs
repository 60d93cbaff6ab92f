using Ipcs.Bitswap.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>
/// Decides who is asked for which block and when. A pure core: no I/O, no clock and no chance of its own; what is to be sent collects in
/// <see cref="Outbox"/>. One caller at a time. Times are in microseconds.
/// <para>
/// A block is asked of one peer at a time. A peer has a window of bytes (<see cref="RequestWindow"/>); one with room takes the next want that it can
/// serve. While a session has only peers with the whole content, that is the next in order. Once it also knows peers that fetch the same, each takes
/// another at random, of a whole peer first those whose turn it is (<see cref="RendezvousHash"/>), then those that nobody else has yet: so the one uplink that the
/// content comes through carries each block about once, and the rest is traded. A block that a reader waits for goes first and to anybody.
/// Where nobody has the whole, every peer is asked for all blocks at once whether it has them, and for those that it has (<see cref="PeerScope.Broadcast"/>).
/// </para>
/// </summary>
internal sealed partial class WantScheduler(PeerId self, BitswapOptions options, Random random, Action<TimeSpan>? onFirstBlock = null)
{
    /// <summary>A block whose length is not known yet counts so much, at first: the usual chunk.</summary>
    private const int FirstTypical = 256 << 10;

    /// <summary>A session that asks anybody looks a few times for more who have the content: with its second block at first, and not after so many.</summary>
    private const int LastProbe = 512;

    /// <summary>After how long those who refused a block are tried again: a peer that fetches may have it by then.</summary>
    private const long RetryTime = 3_000_000;

    private readonly Dictionary<Multihash, Want> _wants = [];
    private readonly LinkedList<Want> _unasked = new();
    private readonly Dictionary<PeerId, PeerState> _peers = [];
    private readonly RequestHistory _asked = new();
    private readonly DownloadLimiter _pace = new(options.DownloadRate);
    private int _typical = FirstTypical;
    private long _firstOrder;
    private long _lastOrder;

    /// <summary>What is to be sent, in order. The caller empties it.</summary>
    public List<(PeerId Peer, WantEntry Entry)> Outbox { get; } = [];

    /// <summary>Blocks wanted now.</summary>
    public int Count => _wants.Count;

    /// <summary>Connected peers.</summary>
    public int Peers => _peers.Count;

    /// <summary>What is wanted now.</summary>
    public Cid[] Wanted() => [.. _wants.Values.Select(w => w.Cid)];

    /// <summary>A session wants blocks; the returned wants are done once the blocks are here.</summary>
    public Want[] Add(BitswapSession session, IReadOnlyList<Cid> cids, bool urgent, long now)
    {
        session.FirstWantAt ??= now;
        var wants = new Want[cids.Count];
        for (int i = 0; i < cids.Count; i++)
        {
            Cid cid = cids[i];
            if (!_wants.TryGetValue(cid.Hash, out Want? want))
            {
                want = new Want(cid, now) { RetryAt = now + RetryTime };
                _wants.Add(cid.Hash, want);
                want.Order = ++_lastOrder;
                want.Place = _unasked.AddLast(want);
            }

            want.Urgent |= urgent;
            want.Sessions.Add(session);
            wants[i] = want;
            AskWhetherHad(want, session);
            Offer(want);
        }

        session.Wanted += cids.Count;
        if (session.PeerScope == PeerScope.Connected && session.Wanted >= session.NextProbe && session.NextProbe <= LastProbe)
        {
            session.NextProbe = 4 * session.Wanted;
            Probe(wants[^1], session);
        }

        Fill(now);
        return wants;
    }

    /// <summary>A session wants a block no more, once.</summary>
    public void LetGo(Want want, BitswapSession session)
    {
        want.Sessions.Remove(session);
        if (want.Sessions.Count == 0 && _wants.TryGetValue(want.Cid.Hash, out Want? current) && current == want)
        {
            Forget(want);
        }
    }

    /// <summary>What a session is told of a peer.</summary>
    public void Tell(BitswapSession session, PeerId peer, PeerAvailability availability, long now)
    {
        if (session.Peers.TryGetValue(peer, out PeerAvailability before) && before >= availability)
        {
            return;
        }

        session.Peers[peer] = availability;
        session.Leechers = session.Peers.Values.Count(h => h == PeerAvailability.Partial);
        AskWhetherHad(session);
        OutdateAll();
        Fill(now);
    }

    /// <summary>What a session wants is known to lie in parts.</summary>
    public void Broadcast(BitswapSession session, long now)
    {
        if (session.PeerScope != PeerScope.Broadcast)
        {
            Broadcast(session);
            Fill(now);
        }
    }

    /// <summary>What a block is that this peer has sent.</summary>
    public BlockExpectation Expects(PeerId peer, in Multihash hash) =>
        !_asked.Contains(peer, hash) ? BlockExpectation.Unknown
        : _wants.ContainsKey(hash) ? BlockExpectation.Wanted
        : BlockExpectation.Late;

    /// <summary>A wanted block is stored. <paramref name="peer"/> is null when it did not come by Bitswap.</summary>
    public void Received(PeerId? peer, in Multihash hash, int length, bool isLeaf, long now)
    {
        PeerState? state = peer is { } id ? _peers.GetValueOrDefault(id) : null;
        if (state is not null)
        {
            state.LastBlock = now;
            state.Stalled = false;
            _pace.Spend(length, now);
        }

        if (!_wants.TryGetValue(hash, out Want? want))
        {
            return;
        }

        if (state is not null)
        {
            _typical = Math.Clamp(_typical + ((length - _typical) / 16), 4096, 2 << 20);
            if (want.Asked == state)
            {
                state.Window.Arrived(now, want.AskedAt, length);
            }

            // The one who sent it is told too: some implementations keep a want until it is cancelled.
            want.NotifiedPeers.Add(state.Peer);
            foreach (BitswapSession session in want.Sessions)
            {
                if (session.PeerScope == PeerScope.Connected && session.Peers.TryAdd(state.Peer, PeerAvailability.Assumed))
                {
                    state.PeerWantQueue.Outdate();
                }

                if (!session.HasBlock)
                {
                    session.HasBlock = true;
                    onFirstBlock?.Invoke(TimeSpan.FromMicroseconds(now - session.FirstWantAt!.Value));
                }
            }
        }

        PeerState? asked = want.Asked;
        Forget(want);
        want.Complete(isLeaf);

        // Nobody else has got room by this.
        FillOne(asked, now);
        if (state != asked)
        {
            FillOne(state, now);
        }
    }

    /// <summary>A peer says whether it has a block.</summary>
    public void Presence(PeerId peer, PresenceEntry presence, long now)
    {
        if (!_wants.TryGetValue(presence.Cid.Hash, out Want? want) || !_peers.TryGetValue(peer, out PeerState? state))
        {
            return;
        }

        if (presence.Have)
        {
            bool isNews = want.Providers.Add(peer) | want.Refused.Remove(peer);
            want.FirstProvidedAt = Math.Min(want.FirstProvidedAt, now);
            foreach (BitswapSession session in want.Sessions)
            {
                if (session.PeerScope == PeerScope.Connected && session.Peers.TryAdd(peer, PeerAvailability.Assumed))
                {
                    state.PeerWantQueue.Outdate();
                }
            }

            if (isNews)
            {
                Offer(state, want);
            }

            // A matter of that peer's room alone: many of these come for each block.
            FillOne(state, now);
        }
        else
        {
            want.Providers.Remove(peer);
            want.Refused.Add(peer);
            want.RetryAt = now + RetryTime;
            if (want.Asked == state)
            {
                // It goes on waiting for the block on our behalf, until it is told otherwise.
                want.NotifiedPeers.Add(peer);

                // What it has waited before counts on, or it would never fail while somebody refuses it time and again.
                long waited = want.AskedAt - want.Since;
                Unask(want, now);
                want.Since = now - waited;
            }
            else
            {
                Offer(want);
            }

            foreach (BitswapSession session in want.Sessions)
            {
                if (session.PeerScope == PeerScope.Connected && session.Peers.GetValueOrDefault(peer) == PeerAvailability.Assumed)
                {
                    Broadcast(session);
                }
                else
                {
                    AskWhetherHad(want, session);
                }
            }

            Fill(now);
        }
    }

    /// <summary>A peer is connected and known.</summary>
    public void PeerCame(PeerId peer, bool saysHave, long now)
    {
        if (!_peers.TryAdd(peer, new PeerState(peer, saysHave, options)))
        {
            return;
        }

        foreach (Want want in _wants.Values)
        {
            want.Refused.Remove(peer);
            foreach (BitswapSession session in want.Sessions)
            {
                AskWhetherHad(want, session);
            }
        }

        Fill(now);
    }

    /// <summary>A peer is gone: its wants go elsewhere.</summary>
    public void PeerGone(PeerId peer, long now)
    {
        if (!_peers.Remove(peer, out PeerState? state))
        {
            return;
        }

        _asked.Trim(_peers.ContainsKey);
        foreach (Want want in state.UnderWay.ToArray())
        {
            Unask(want, now);
        }

        foreach (Want want in _wants.Values)
        {
            want.Providers.Remove(peer);
            want.NotifiedPeers.Remove(peer);
        }

        OutdateAll();
        Fill(now);
    }

    /// <summary>Fails everything: the service stops.</summary>
    public void Stop()
    {
        foreach (Want want in _wants.Values)
        {
            want.Fail(new BlockUnavailableException($"block {want.Cid}: Bitswap is stopping"));
        }

        _wants.Clear();
        _unasked.Clear();
    }

    private static long Microseconds(TimeSpan span) => (long)span.TotalMicroseconds;

    /// <summary>Nobody is thought any more to have what he has not said to have.</summary>
    private void Broadcast(BitswapSession session)
    {
        session.PeerScope = PeerScope.Broadcast;
        foreach (PeerId likely in session.Peers.Where(p => p.Value == PeerAvailability.Assumed).Select(p => p.Key).ToArray())
        {
            session.Peers.Remove(likely);
        }

        AskWhetherHad(session);
        OutdateAll();
    }
}
