using Ipcs.Bitswap.Client;
using Ipcs.Bitswap.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Tests.Client;

/// <summary>
/// A <see cref="WantScheduler"/> with simulated peers, and a simple model of the peers' answers. Each want that the scheduler sends is
/// checked against the model.
/// </summary>
internal sealed class WantSchedulerModel
{
    private const int BlockLength = 200_000;
    private const long TickTime = 100_000;
    private const long RetryTime = 3_000_000;

    private readonly WantScheduler _scheduler;
    private readonly Cid[] _cids;
    private readonly ModelPeer[] _peers;
    private readonly BitswapSession[] _sessions;
    private readonly Dictionary<int, ModelWant> _wants = [];
    private long _now = 1_000_000;

    public WantSchedulerModel(int peers, int blocks, params PeerScope[] sessions)
        : this(0, peers, blocks, sessions)
    {
    }

    /// <summary>Creates four peers, one of which never sends HAVE, and three sessions with random scopes.</summary>
    public WantSchedulerModel(int seed)
        : this(seed, 4, 24, [.. new Random(seed).GetItems([PeerScope.Named, PeerScope.Connected, PeerScope.Broadcast], 3)])
    {
        var random = new Random(seed);
        _peers[3].SaysHave = false;
        foreach (ModelPeer peer in _peers)
        {
            peer.Has.UnionWith(Enumerable.Range(0, _cids.Length).Where(_ => random.Next(3) == 0));
            Connect(peer);
        }
    }

    private WantSchedulerModel(int seed, int peers, int blocks, PeerScope[] sessions)
    {
        // With a small window many wants have to wait.
        var options = new BitswapOptions { FirstWindow = peers > 1 ? 600_000 : 4 << 20 };
        _scheduler = new WantScheduler(Simulation.PeerOf(200), options, new Random(seed));
        _cids = [.. Enumerable.Range(0, blocks).Select(i => Cid.V1(Multicodec.Raw, Multihash.Sha256(BitConverter.GetBytes(i))))];
        _peers = [.. Enumerable.Range(0, peers).Select(i => new ModelPeer(Simulation.PeerOf(i)))];
        _sessions = [.. sessions.Select(r => new BitswapSession(null!, null!, r))];
        if (seed == 0)
        {
            Array.ForEach(_peers, Connect);
        }
    }

    public int Wanted => _wants.Count;

    /// <summary>The block that a peer sends next; null when none is requested.</summary>
    public int? NextAsked(int peer) => _peers[peer].Asked.TryPeek(out int number) ? number : null;

    /// <summary>Does one random step of a kind from 0 to 63.</summary>
    public void Step(int kind, Random random)
    {
        int peer = random.Next(_peers.Length), session = random.Next(_sessions.Length), number = random.Next(_cids.Length);
        switch (kind)
        {
            case < 16:
                Add(session, [.. Enumerable.Range(number, 1 + random.Next(4)).Select(n => n % _cids.Length)], urgent: random.Next(4) == 0);
                break;
            case < 20:
                SetAvailability(session, peer, (PeerAvailability)random.Next(3));
                break;
            case 20:
                Do(() => _scheduler.Broadcast(_sessions[session], _now));
                break;
            case < 44:
                Deliver(peer);
                break;
            case < 48:
                AnswerWantHaves(_peers[peer]);
                break;
            case < 52:
                StoreBlock(peer, number);
                break;
            case < 54:
                Toggle(_peers[peer]);
                break;
            case < 58:
                Release(session, number);
                break;
            default:
                Advance(1 + random.Next(12));
                break;
        }
    }

    /// <summary>Lets all peers answer at once and truthfully, and checks that every block that a peer can serve arrives.</summary>
    public void Finish()
    {
        for (int i = 0; i < 150 && _wants.Count > 0; i++)
        {
            for (int peer = 0; peer < _peers.Length; peer++)
            {
                AnswerWantHaves(_peers[peer]);
                while (_peers[peer].Asked.Count > 0)
                {
                    Deliver(peer);
                }
            }

            Advance(1);
        }

        Assert.DoesNotContain(_wants, w => Array.Exists(_peers, p => p.Has.Contains(w.Key) && WillServe(p, w.Value)));
    }

    public void Add(int session, int[] numbers, bool urgent)
    {
        numbers = [.. numbers.Distinct()];
        foreach (int number in numbers)
        {
            if (!_wants.TryGetValue(number, out ModelWant? want))
            {
                _wants[number] = want = new ModelWant();
            }

            want.Sessions.Add(_sessions[session]);
            want.Urgent |= urgent;
        }

        Do(() =>
        {
            Want[] wants = _scheduler.Add(_sessions[session], [.. numbers.Select(n => _cids[n])], urgent, _now);
            for (int i = 0; i < numbers.Length; i++)
            {
                _wants[numbers[i]].Real = wants[i];
            }
        });
    }

    public void SetAvailability(int session, int peer, PeerAvailability availability) =>
        Do(() => _scheduler.SetAvailability(_sessions[session], _peers[peer].Id, availability, _now));

    /// <summary>A peer stores a block, and answers the want-have for it.</summary>
    public void StoreBlock(int peer, int number)
    {
        if (_peers[peer].Has.Add(number))
        {
            AnswerWantHaves(_peers[peer]);
        }
    }

    /// <summary>A peer sends the block that was requested first, or DONT_HAVE.</summary>
    public void Deliver(int peer)
    {
        ModelPeer from = _peers[peer];
        if (!from.Asked.TryDequeue(out int number))
        {
            return;
        }

        _now += 1000;
        if (from.Has.Contains(number) || _sessions.Length == 1)
        {
            _wants.Remove(number);
            Do(() => _scheduler.Received(from.Id, _cids[number].Hash, BlockLength, isLeaf: false, _now));
        }
        else
        {
            SendPresence(from, number, have: false);
        }
    }

    private void AnswerWantHaves(ModelPeer peer)
    {
        foreach ((int number, bool sayDontHave) in peer.Questions.ToArray())
        {
            if (peer.Has.Contains(number) || sayDontHave)
            {
                peer.Questions.Remove(number);
                SendPresence(peer, number, peer.Has.Contains(number));
            }
        }
    }

    private void SendPresence(ModelPeer peer, int number, bool have)
    {
        if (_wants.TryGetValue(number, out ModelWant? want))
        {
            want.AddPresence(peer, have, _now);
        }

        Do(() => _scheduler.Presence(peer.Id, new PresenceEntry(_cids[number], have), _now));
    }

    private void Toggle(ModelPeer peer)
    {
        if (!peer.IsConnected)
        {
            Connect(peer);
            return;
        }

        peer.IsConnected = false;
        peer.Asked.Clear();
        peer.Questions.Clear();
        foreach (ModelWant want in _wants.Values)
        {
            want.RemovePeer(peer);
        }

        Do(() => _scheduler.PeerGone(peer.Id, _now));
    }

    private void Connect(ModelPeer peer)
    {
        peer.IsConnected = true;
        foreach (ModelWant want in _wants.Values)
        {
            want.Refused.Remove(peer);
        }

        Do(() => _scheduler.PeerCame(peer.Id, peer.SaysHave, _now));
    }

    private void Release(int session, int number)
    {
        if (_wants.TryGetValue(number, out ModelWant? want) && want.Sessions.Remove(_sessions[session]))
        {
            if (want.Sessions.Count == 0)
            {
                _wants.Remove(number);
            }

            Do(() => _scheduler.LetGo(want.Real!, _sessions[session]));
        }
    }

    private void Advance(int ticks)
    {
        for (int i = 0; i < ticks; i++)
        {
            _now += TickTime;
            Do(() => _scheduler.Tick(_now));
            foreach (ModelPeer peer in _peers.Where(p => p.IsConnected && p.Asked.Count == 0 && !IsSource(p)))
            {
                Assert.DoesNotContain(_wants.Values, w => w.Asked is null && CanBeAsked(peer, w));
            }
        }
    }

    // A source may be idle while leechers fetch the blocks that it could send.
    private bool IsSource(ModelPeer peer) => _sessions.Any(s => s.Trades
        && s.Peers.TryGetValue(peer.Id, out PeerAvailability availability) && availability != PeerAvailability.Partial);

    private void Do(Action step)
    {
        step();
        foreach ((int number, ModelWant want) in _wants.ToArray())
        {
            if (want.Real!.Done.Task.IsFaulted)
            {
                Assert.DoesNotContain(_peers, p => want.Asked is null && CanBeAsked(p, want));
                _wants.Remove(number);
            }
        }

        foreach ((PeerId id, WantEntry entry) in _scheduler.Outbox)
        {
            Check(_peers.Single(p => p.Id == id), entry);
        }

        _scheduler.Outbox.Clear();
    }

    private void Check(ModelPeer peer, WantEntry entry)
    {
        int number = Array.IndexOf(_cids, entry.Cid);
        Assert.True(peer.IsConnected);
        if (entry.Cancel)
        {
            peer.Questions.Remove(number);
            peer.Forget(number);
            if (_wants.TryGetValue(number, out ModelWant? moved) && moved.Asked == peer)
            {
                moved.Asked = null;
                moved.Moved.Add(peer);
            }
        }
        else if (entry.WantHave)
        {
            peer.Questions[number] = entry.SendDontHave;
        }
        else
        {
            ModelWant want = _wants[number];
            if (want.Asked != peer)
            {
                Assert.Null(want.Asked);
                Assert.True(MayBeAsked(peer, want));
                Assert.True(want.Urgent || !_wants.Values.Any(w => w.Asked is null && w.Urgent && CanBeAsked(peer, w)));
                want.Asked = peer;
                peer.Asked.Enqueue(number);
            }
        }
    }

    /// <summary>False when no rule allows to request a block from a peer.</summary>
    private bool MayBeAsked(ModelPeer peer, ModelWant want) =>
        !(want.Refused.TryGetValue(peer, out long at) && _now - at < RetryTime)
        && want.Sessions.Exists(s => s.Peers.TryGetValue(peer.Id, out PeerAvailability availability)
            ? availability != PeerAvailability.Partial || want.Providers.Contains(peer)
            : s.PeerScope != PeerScope.Named
                && (want.Providers.Contains(peer) || (want.Providers.Count == 0 && MayBeGuessed(peer, want, s))));

    private bool MayBeGuessed(ModelPeer peer, ModelWant want, BitswapSession session) => session.PeerScope == PeerScope.Broadcast
        ? !peer.SaysHave
        : !Array.Exists(
            _peers, p => p.IsConnected && session.Peers.ContainsKey(p.Id) && !want.Refused.ContainsKey(p) && !want.Moved.Contains(p));

    /// <summary>True when no rule forbids to request a block from a peer.</summary>
    private static bool CanBeAsked(ModelPeer peer, ModelWant want) =>
        peer.IsConnected && !want.Refused.ContainsKey(peer) && !want.Moved.Contains(peer)
        && want.Sessions.Exists(s => s.Peers.TryGetValue(peer.Id, out PeerAvailability availability)
            ? availability == PeerAvailability.Partial ? want.Providers.Contains(peer) : want.Urgent || !s.Trades
            : s.PeerScope != PeerScope.Named && want.Providers.Contains(peer));

    /// <summary>True when a block that a peer has is requested from it sooner or later.</summary>
    private static bool WillServe(ModelPeer peer, ModelWant want) =>
        peer.IsConnected && want.Sessions.Exists(s => s.Peers.TryGetValue(peer.Id, out PeerAvailability availability)
            ? availability != PeerAvailability.Partial || peer.SaysHave
            : s.PeerScope == PeerScope.Broadcast && peer.SaysHave);

    private sealed class ModelPeer(PeerId id)
    {
        public PeerId Id { get; } = id;

        public bool SaysHave { get; set; } = true;

        public bool IsConnected { get; set; }

        public HashSet<int> Has { get; } = [];

        public Queue<int> Asked { get; } = new();

        public Dictionary<int, bool> Questions { get; } = [];

        public void Forget(int number)
        {
            int[] others = [.. Asked.Where(n => n != number)];
            Asked.Clear();
            Array.ForEach(others, Asked.Enqueue);
        }
    }

    private sealed class ModelWant
    {
        public Want? Real { get; set; }

        public bool Urgent { get; set; }

        public List<BitswapSession> Sessions { get; } = [];

        public HashSet<ModelPeer> Providers { get; } = [];

        /// <summary>The peers that sent DONT_HAVE, and when.</summary>
        public Dictionary<ModelPeer, long> Refused { get; } = [];

        /// <summary>The slow peers that the want was moved away from, which may count as having refused.</summary>
        public HashSet<ModelPeer> Moved { get; } = [];

        public ModelPeer? Asked { get; set; }

        public void AddPresence(ModelPeer peer, bool have, long now)
        {
            if (have)
            {
                Providers.Add(peer);
                Refused.Remove(peer);
                Moved.Remove(peer);
                return;
            }

            Providers.Remove(peer);
            Refused[peer] = now;
            Asked = Asked == peer ? null : Asked;
        }

        public void RemovePeer(ModelPeer peer)
        {
            Providers.Remove(peer);
            Moved.Remove(peer);
            Asked = Asked == peer ? null : Asked;
        }
    }
}
