using System.Diagnostics;
using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Queries;

/// <summary>
/// An iterative lookup of the peers closest to a key, as a state machine: no I/O, no clock, no randomness.
/// It ends when, of the peers that it knows and that have not failed, the closest <see cref="LookupOptions.Count"/> have all answered.
/// Spec: https://github.com/libp2p/specs/blob/master/kad-dht/README.md, section Peer routing.
/// </summary>
internal sealed class Lookup
{
    private readonly LookupOptions _options;
    private readonly PeerId _self;
    private readonly Dictionary<PeerId, Candidate> _known = [];
    private readonly SortedList<KadKey, Candidate> _byDistance = [];
    private readonly List<Candidate> _waiting = [];
    private DateTimeOffset? _began;
    private int _asked;

    /// <summary>Creates a lookup; the first <see cref="Step"/> begins it.</summary>
    /// <param name="target">The point whose closest peers are looked up.</param>
    /// <param name="options">The bounds.</param>
    /// <param name="self">The local peer, which is never asked.</param>
    /// <param name="seeds">The peers to begin with.</param>
    public Lookup(KadKey target, LookupOptions options, PeerId self, IEnumerable<DhtPeer> seeds)
    {
        Target = target;
        _options = options;
        _self = self;
        foreach (DhtPeer seed in seeds)
        {
            AddCandidate(seed);
        }
    }

    /// <summary>The point whose closest peers are looked up.</summary>
    public KadKey Target { get; }

    /// <summary>True once <see cref="LookupEffect.Done"/> was returned.</summary>
    public bool IsDone { get; private set; }

    /// <summary>The number of requests so far.</summary>
    public int Requests => _asked;

    /// <summary>
    /// When the next <see cref="LookupInput.Tick"/> is due at the latest, as of the last step; null when the lookup has ended.
    /// </summary>
    public DateTimeOffset? NextTick { get; private set; }

    /// <summary>Processes one input and appends the effects that the caller has to carry out.</summary>
    public void Step(DateTimeOffset now, LookupInput input, List<LookupEffect> effects)
    {
        if (IsDone)
        {
            return;
        }

        _began ??= now;
        switch (input)
        {
            case LookupInput.Answered answered:
                Answered(answered);
                break;
            case LookupInput.Failed failed when _known.TryGetValue(failed.Peer, out Candidate? lost) && lost.State == CandidateState.Asked:
                lost.State = CandidateState.Failed;
                break;
            default:
                break;
        }

        GiveUpSilent(now, effects);
        bool over = input is LookupInput.Enough || now - _began >= _options.QueryTime || !Advance(now, effects);
        if (over)
        {
            Finish(effects);
            return;
        }

        NextTick = NextDeadline(now);
    }

    private void Answered(LookupInput.Answered input)
    {
        // Answers that come too late, or without a request, are ignored.
        if (!_known.TryGetValue(input.Peer, out Candidate? peer) || peer.State != CandidateState.Asked)
        {
            return;
        }

        peer.State = CandidateState.Answered;
        foreach (DhtPeer closer in input.Closer.Take(DhtMessage.MaxCloser))
        {
            AddCandidate(closer);
        }
    }

    private void AddCandidate(DhtPeer peer)
    {
        if (_known.TryGetValue(peer.Peer, out Candidate? known))
        {
            known.AddAddresses(peer.Addresses);
            return;
        }

        KadKey distance = KadKey.Of(peer.Peer).DistanceTo(Target);
        if (peer.Peer == _self || _byDistance.ContainsKey(distance) || !MakeRoom(distance))
        {
            return;
        }

        var candidate = new Candidate(peer.Peer, distance);
        candidate.AddAddresses(peer.Addresses);
        _known.Add(peer.Peer, candidate);
        _byDistance.Add(distance, candidate);
        Debug.Assert(_known.Count == _byDistance.Count && _known.Count <= LookupOptions.MaxCandidates, "both indexes have the same peers");
    }

    /// <summary>At the bound, the farthest peer is removed for a closer one, unless it was asked already.</summary>
    private bool MakeRoom(in KadKey distance)
    {
        if (_known.Count < LookupOptions.MaxCandidates)
        {
            return true;
        }

        Candidate farthest = _byDistance.Values[^1];
        if (farthest.State != CandidateState.Heard || farthest.Distance.CompareTo(distance) < 0)
        {
            return false;
        }

        _byDistance.RemoveAt(_byDistance.Count - 1);
        return _known.Remove(farthest.Peer);
    }

    private void GiveUpSilent(DateTimeOffset now, List<LookupEffect> effects)
    {
        foreach (Candidate c in _waiting.Where(c => c.State == CandidateState.Asked && now - c.AskedAt >= _options.RequestTime))
        {
            c.State = CandidateState.Failed;
            effects.Add(new LookupEffect.GiveUp(c.Peer));
        }

        _waiting.RemoveAll(c => c.State != CandidateState.Asked);
    }

    /// <summary>Asks the next peers; false when the closest have all answered or no answer is outstanding.</summary>
    private bool Advance(DateTimeOffset now, List<LookupEffect> effects)
    {
        int underWay = _waiting.Count(c => IsFresh(c, now));
        int alive = 0;
        bool waiting = false;
        foreach (Candidate c in _byDistance.Values)
        {
            if (alive == _options.Count)
            {
                break;
            }

            if (c.State == CandidateState.Failed)
            {
                continue;
            }

            alive++;
            if (c.State == CandidateState.Heard && underWay < _options.Concurrency && _asked < _options.MaxRequests)
            {
                c.State = CandidateState.Asked;
                c.AskedAt = now;
                _waiting.Add(c);
                _asked++;
                underWay++;
                effects.Add(new LookupEffect.Ask(c.ToPeer()));
            }

            waiting |= c.State == CandidateState.Asked || (c.State == CandidateState.Heard && _asked < _options.MaxRequests);
        }

        Debug.Assert(_asked <= _options.MaxRequests && alive <= _options.Count, "the bounds of the lookup are kept");
        return waiting;
    }

    private void Finish(List<LookupEffect> effects)
    {
        IsDone = true;
        NextTick = null;
        effects.AddRange(_waiting.Select(c => new LookupEffect.GiveUp(c.Peer)));
        effects.Add(new LookupEffect.Done(
            [.. _byDistance.Values.Where(c => c.State == CandidateState.Answered).Take(_options.Count).Select(c => c.ToPeer())]));
    }

    private bool IsFresh(Candidate c, DateTimeOffset now) => c.State == CandidateState.Asked && now - c.AskedAt < _options.SlowTime;

    private DateTimeOffset NextDeadline(DateTimeOffset now)
    {
        DateTimeOffset next = _began!.Value + _options.QueryTime;
        foreach (Candidate c in _waiting)
        {
            DateTimeOffset deadline = c.AskedAt + (IsFresh(c, now) ? _options.SlowTime : _options.RequestTime);
            next = deadline < next ? deadline : next;
        }

        return next;
    }
}
