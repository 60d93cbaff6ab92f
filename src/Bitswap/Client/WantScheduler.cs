using Ipcs.Bitswap.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>
/// Decides which block is requested from which peer and when. A pure core without I/O, clock and randomness of its own; the messages to
/// send collect in <see cref="Outbox"/>. One caller at a time. Times are in microseconds.
/// <para>
/// A block is requested from one peer at a time. A peer has a window of bytes (<see cref="RequestWindow"/>); one with room gets the next
/// want that it can serve. While all peers of a session have the complete content, that is the next in order. When there are leechers too,
/// wants are taken at random; from a complete peer first those that rendezvous hashing assigns to this node (<see cref="RendezvousHash"/>),
/// then those that no leecher has yet: the source sends each block about once, and the leechers trade the rest. An urgent block is
/// requested first and from any peer. When no peer has the complete content, all are asked for each block
/// (<see cref="PeerScope.Broadcast"/>).
/// </para>
/// </summary>
internal sealed partial class WantScheduler(PeerId self, BitswapOptions options, Random random, Action<TimeSpan>? onFirstBlock = null)
{
    /// <summary>The first estimate of a block's length: the usual chunk.</summary>
    private const int FirstTypical = 256 << 10;

    /// <summary>After this many wanted blocks, further peers are no longer asked whether they have a content.</summary>
    private const int LastProbe = 512;

    /// <summary>After how long peers that refused a block are asked again: a leecher may have it by then.</summary>
    private const long RetryTime = 3_000_000;

    /// <summary>After this many blocks of a peer without another entry to send, they are cancelled.</summary>
    private const int MaxFinished = 256;

    private readonly Dictionary<Multihash, Want> _wants = [];
    private readonly LinkedList<Want> _unasked = new();
    private readonly Dictionary<PeerId, PeerState> _peers = [];
    private readonly RequestHistory _asked = new();
    private readonly DownloadLimiter _pace = new(options.DownloadRate);
    private int _typical = FirstTypical;
    private long _firstOrder;
    private long _lastOrder;

    /// <summary>The entries to send, in order. The caller empties it.</summary>
    public List<(PeerId Peer, WantEntry Entry)> Outbox { get; } = [];

    /// <summary>The number of wanted blocks.</summary>
    public int Count => _wants.Count;

    /// <summary>The number of connected peers.</summary>
    public int Peers => _peers.Count;

    /// <summary>The wanted blocks.</summary>
    public Cid[] Wanted() => [.. _wants.Values.Select(w => w.Cid)];

    /// <summary>Adds wants of a session; they complete when the blocks are stored.</summary>
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

        if (urgent)
        {
            foreach (PeerState state in _peers.Values)
            {
                state.IsFilling = true;
            }
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

    /// <summary>Removes one want of a session.</summary>
    public void LetGo(Want want, BitswapSession session)
    {
        want.Sessions.Remove(session);
        if (want.Sessions.Count == 0 && _wants.TryGetValue(want.Cid.Hash, out Want? current) && current == want)
        {
            Forget(want);
        }
    }

    /// <summary>Records what a peer has of a session's content.</summary>
    public void SetAvailability(BitswapSession session, PeerId peer, PeerAvailability availability, long now)
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

    /// <summary>From now on a session asks every connected peer for each block.</summary>
    public void Broadcast(BitswapSession session, long now)
    {
        if (session.PeerScope != PeerScope.Broadcast)
        {
            Broadcast(session);
            Fill(now);
        }
    }

    /// <summary>True while a block is wanted.</summary>
    public bool IsWanted(in Multihash hash) => _wants.ContainsKey(hash);

    /// <summary>Whether a block that a peer has sent was requested from it, and is still wanted.</summary>
    public BlockExpectation Expects(PeerId peer, in Multihash hash) =>
        !_asked.Contains(peer, hash) ? BlockExpectation.Unknown
        : _wants.ContainsKey(hash) ? BlockExpectation.Wanted
        : BlockExpectation.Late;

    /// <summary>Completes the want for a stored block.</summary>
    /// <param name="peer">The sender; null when the block was not received by Bitswap.</param>
    /// <param name="hash">The block's hash.</param>
    /// <param name="length">The block's length in bytes on the wire.</param>
    /// <param name="isLeaf">True when the block is known to have no links.</param>
    /// <param name="now">The time.</param>
    /// <param name="block">The block, when its bytes are still in memory.</param>
    public void Received(PeerId? peer, in Multihash hash, int length, bool isLeaf, long now, ReceivedBlock? block = null)
    {
        PeerState? state = peer is { } id ? _peers.GetValueOrDefault(id) : null;
        if (state is not null)
        {
            state.LastBlock = now;
            state.Fairness.BlockArrived(length, now, state.Received.Count);
            state.Stalled &= state.Fairness.UnfairTime(now) >= Microseconds(options.FairTime);
            _pace.Spend(length, now);
        }

        if (!_wants.TryGetValue(hash, out Want? want))
        {
            return;
        }

        PeerState? asked = null;
        if (state is not null)
        {
            _typical = Math.Clamp(_typical + ((length - _typical) / 16), 4096, 2 << 20);
            if (want.Asked == state)
            {
                state.Window.Arrived(now, want.AskedAt, length);
            }

            if (want.Asked == state)
            {
                Release(want);
                asked = state;
            }

            want.NotifiedPeers.Remove(state.Peer);
            state.Finished.Add(want.Cid);
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

        asked ??= want.Asked;
        Forget(want);
        want.Complete(isLeaf, block);

        // No other peer has more room than before.
        FillOne(asked, now);
        if (state != asked)
        {
            FillOne(state, now);
        }

        if (state?.Finished.Count >= MaxFinished)
        {
            CancelFinished(state);
        }
    }

    /// <summary>Takes a presence that a peer has sent.</summary>
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

            // Of that peer alone, since there are many presences per block.
            FillOne(state, now);
        }
        else
        {
            want.Providers.Remove(peer);
            want.Refused.Add(peer);
            want.RetryAt = now + RetryTime;
            if (want.Asked == state)
            {
                // The peer keeps the want until it gets a cancel.
                want.NotifiedPeers.Add(peer);

                // The earlier waiting time counts, since the want would otherwise never fail while a peer refuses it repeatedly.
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

    /// <summary>Adds a connected peer.</summary>
    public void PeerCame(PeerId peer, bool saysHave, long now, ReceivedBytes? received = null)
    {
        if (!_peers.TryAdd(peer, new PeerState(peer, saysHave, options, received ?? new ReceivedBytes())))
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

    /// <summary>Removes a peer; its wants become unassigned.</summary>
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

    /// <summary>Fails all wants: the service is stopping.</summary>
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

    /// <summary>Drops assumed availability, and asks every peer.</summary>
    private void Broadcast(BitswapSession session)
    {
        session.PeerScope = PeerScope.Broadcast;
        foreach (PeerId assumed in session.Peers.Where(p => p.Value == PeerAvailability.Assumed).Select(p => p.Key).ToArray())
        {
            session.Peers.Remove(assumed);
        }

        AskWhetherHad(session);
        OutdateAll();
    }
}
