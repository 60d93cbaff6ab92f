using Ipcs.Bitswap.Client;
using Ipcs.Bitswap.Server;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Tests;

/// <summary>
/// A node of a <see cref="Simulation"/>: a real <see cref="WantScheduler"/> and real <see cref="PeerWantlist"/>s, over a simulated uplink
/// that sends one block at a time, to the peers in round-robin order.
/// </summary>
internal sealed class SimulatedNode
{
    private readonly Simulation _simulation;
    private readonly LengthStore _store = new();
    private readonly Dictionary<SimulatedNode, PeerWantlist> _serving = [];
    private readonly List<SimulatedNode> _turns = [];
    private bool _sending;

    public SimulatedNode(Simulation simulation, int number, double uplink, BitswapOptions options)
    {
        _simulation = simulation;
        Uplink = uplink;
        Peer = Simulation.PeerOf(number);
        Scheduler = new WantScheduler(Peer, options, new Random(simulation.Random.Next()));
        Session = new BitswapSession(_store, null!, PeerScope.Named);
    }

    public PeerId Peer { get; }

    public WantScheduler Scheduler { get; }

    public BitswapSession Session { get; }

    /// <summary>The uplink in bytes per second; with 0 no further block is sent.</summary>
    public double Uplink { get; set; }

    public long Sent { get; private set; }

    public long Received { get; private set; }

    public long Duplicates { get; private set; }

    public long DoneAt { get; private set; } = -1;

    public int Has => _store.Lengths.Count;

    public void Connect(SimulatedNode other)
    {
        _serving[other] = new PeerWantlist(
            (Cid cid, out int length) => _store.TryGetLength(cid.Hash, out length), new WantIndex(), static () => { });
        _turns.Add(other);
        Scheduler.PeerCame(other.Peer, saysHave: true, _simulation.Now);
    }

    public void Seed(IEnumerable<Cid> cids, int length)
    {
        foreach (Cid cid in cids)
        {
            _store.Lengths[cid.Hash] = length;
        }
    }

    public void Want(IReadOnlyList<Cid> cids, int total) => Step(() =>
    {
        Total = total;
        Scheduler.Add(Session, cids, urgent: false, _simulation.Now);
    });

    public void SetAvailability(SimulatedNode peer, PeerAvailability availability) =>
        Step(() => Scheduler.SetAvailability(Session, peer.Peer, availability, _simulation.Now));

    public void Broadcast() => Step(() => Scheduler.Broadcast(Session, _simulation.Now));

    public void Tick() => Step(() => Scheduler.Tick(_simulation.Now));

    private int Total { get; set; } = int.MaxValue;

    private void Step(Action step)
    {
        step();
        foreach ((PeerId peer, WantEntry entry) in Scheduler.Outbox)
        {
            SimulatedNode to = _simulation.Nodes.First(n => n.Peer == peer);
            _simulation.After(Simulation.Latency, () => to.Take(this, entry));
        }

        Scheduler.Outbox.Clear();
    }

    private void Take(SimulatedNode from, WantEntry entry)
    {
        _serving[from].Take(entry);
        Serve();
    }

    private void Serve()
    {
        foreach ((SimulatedNode to, PeerWantlist wants) in _serving)
        {
            while (wants.TryNext(out PresenceEntry presence))
            {
                PresenceEntry said = presence;
                _simulation.After(Simulation.Latency, () => to.Step(() => to.Scheduler.Presence(Peer, said, _simulation.Now)));
            }
        }

        if (_sending || Uplink == 0)
        {
            return;
        }

        for (int i = 0; i < _turns.Count; i++)
        {
            SimulatedNode to = _turns[0];
            _turns.RemoveAt(0);
            _turns.Add(to);
            if (_serving[to].TryNext(out WantEntry want))
            {
                int length = _store.Lengths[want.Cid.Hash];
                _sending = true;
                _simulation.After((long)(length / Uplink * 1e6), () =>
                {
                    _sending = false;
                    Sent += length;
                    _simulation.After(Simulation.Latency, () => to.Arrive(this, want.Cid, length));
                    Serve();
                });
                return;
            }
        }
    }

    private void Arrive(SimulatedNode from, Cid cid, int length)
    {
        Received += length;
        Assert.NotEqual(BlockExpectation.Unknown, Scheduler.Expects(from.Peer, cid.Hash));
        if (Scheduler.Expects(from.Peer, cid.Hash) == BlockExpectation.Late)
        {
            Duplicates += length;
        }

        _store.Lengths[cid.Hash] = length;
        Step(() => Scheduler.Received(from.Peer, cid.Hash, length, isLeaf: false, _simulation.Now));
        if (Has == Total && DoneAt < 0)
        {
            DoneAt = _simulation.Now;
        }

        foreach (PeerWantlist wants in _serving.Values)
        {
            wants.BlockArrived(cid.Hash, length);
        }

        Serve();
    }

    private sealed class LengthStore : IBlockstore
    {
        public Dictionary<Multihash, int> Lengths { get; } = [];

        public bool Has(in Multihash hash) => Lengths.ContainsKey(hash);

        public bool TryGetLength(in Multihash hash, out int length) => Lengths.TryGetValue(hash, out length);

        public System.Buffers.IMemoryOwner<byte>? Get(in Multihash hash) => null;

        public void Put(in Multihash hash, ReadOnlySpan<byte> data, bool bulk = false) => Lengths[hash] = data.Length;

        public void Delete(in Multihash hash) => Lengths.Remove(hash);

        public IEnumerable<(Multihash Hash, int Length)> Enumerate() => Lengths.Select(l => (l.Key, l.Value));
    }
}
