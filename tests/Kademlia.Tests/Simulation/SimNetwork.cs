using Ipcs.Kademlia.Queries;
using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Tests.Simulation;

/// <summary>
/// A network of nodes in one thread, in virtual time: messages take 5 to 50 ms, some are lost, dead nodes do not answer. The seed
/// determines the whole run.
/// </summary>
internal sealed class SimNetwork
{
    private readonly PriorityQueue<Action, (DateTimeOffset At, long Order)> _events = new();
    private readonly Dictionary<PeerId, SimNode> _byPeer = [];
    private readonly Random _random;
    private readonly double _loss;
    private long _order;

    public SimNetwork(int nodes, int seed, double loss = 0)
    {
        _random = new Random(seed);
        _loss = loss;
        for (int i = 1; i <= nodes; i++)
        {
            var node = new SimNode(i, Options, _random);
            Nodes.Add(node);
            _byPeer.Add(node.Self.Peer, node);
        }
    }

    public DhtOptions Options { get; } = new();

    public List<SimNode> Nodes { get; } = [];

    public DateTimeOffset Now { get; private set; } = Peers.Start;

    public long Messages { get; private set; }

    /// <summary>A hash over all messages: equal in equal runs.</summary>
    public ulong Trace { get; private set; } = 14695981039346656037;

    public SimNode AnyAlive()
    {
        while (true)
        {
            SimNode node = Nodes[_random.Next(Nodes.Count)];
            if (node.IsAlive)
            {
                return node;
            }
        }
    }

    public List<SimNode> Alive() => Nodes.FindAll(n => n.IsAlive);

    /// <summary>
    /// Each node joins with an earlier node as its bootstrap peer and looks up its own key; in a small network it also refreshes its
    /// buckets.
    /// </summary>
    public void Bootstrap()
    {
        foreach (SimNode node in Nodes.Skip(1))
        {
            SimNode known = Nodes[_random.Next(node.Number - 1)];
            do
            {
                Meet(node, known);
            }
            while (FindClosest(node, node.Self.Peer.ToArray(), Options.BucketSize).Count == 0);
        }

        foreach (SimNode node in Nodes.Take(50))
        {
            Refresh(node);
        }
    }

    public void Refresh(SimNode node)
    {
        foreach (int prefix in node.Table.PrefixesToRefresh(Now, 15))
        {
            byte[] key = new byte[34];
            (key[0], key[1]) = (0x12, 32);
            do
            {
                _random.NextBytes(key.AsSpan(2));
            }
            while (KadKey.Of(key).CommonPrefix(node.Key) != prefix);

            node.Table.Refreshed(Now.AddTicks(1), KadKey.Of(key));
            FindClosest(node, key, Options.BucketSize);
        }
    }

    public IReadOnlyList<DhtPeer> FindClosest(SimNode node, byte[] key, int count) =>
        Run(node, KadKey.Of(key), count, new DhtMessage { Type = DhtMessageType.FindNode, Key = key }, _ => false);

    public int Provide(SimNode node, Multihash content)
    {
        IReadOnlyList<DhtPeer> closest = FindClosest(node, content.ToArray(), Options.BucketSize);
        foreach (DhtPeer peer in closest)
        {
            var announcement = new DhtMessage { Type = DhtMessageType.AddProvider, Key = content.ToArray(), Providers = [node.Self] };
            Deliver(node, _byPeer[peer.Peer], announcement, _ => { });
        }

        while (_events.TryDequeue(out Action? action, out (DateTimeOffset At, long) key))
        {
            Now = key.At;
            action();
        }

        return closest.Count;
    }

    public HashSet<PeerId> FindProviders(SimNode node, Multihash content)
    {
        var found = new HashSet<PeerId>();
        var request = new DhtMessage { Type = DhtMessageType.GetProviders, Key = content.ToArray() };
        Run(node, KadKey.Of(content), Options.BucketSize, request, answer =>
        {
            found.UnionWith(answer.Providers.Select(p => p.Peer));
            return found.Count > 0;
        });
        return found;
    }

    public void Pass(TimeSpan time) => Now += time;

    private IReadOnlyList<DhtPeer> Run(SimNode node, KadKey target, int count, DhtMessage question, Func<DhtMessage, bool> isEnough)
    {
        Lookup lookup = node.Lookup(target, Options, count);
        IReadOnlyList<DhtPeer> result = [];
        Step(LookupInput.Tick.Instance);
        while (!lookup.IsDone)
        {
            if (_events.TryPeek(out _, out (DateTimeOffset At, long) next) && next.At <= lookup.NextTick)
            {
                Now = next.At;
                _events.Dequeue()();
            }
            else
            {
                Now = lookup.NextTick!.Value;
                Step(LookupInput.Tick.Instance);
            }
        }

        _events.Clear();
        return result;

        void Step(LookupInput input)
        {
            var effects = new List<LookupEffect>();
            lookup.Step(Now, input, effects);
            foreach (LookupEffect effect in effects)
            {
                switch (effect)
                {
                    case LookupEffect.Ask(var peer):
                        Deliver(node, _byPeer[peer.Peer], question, answer =>
                        {
                            node.Table.Seen(Now, peer.Peer, peer.Addresses);
                            Step(isEnough(answer) ? LookupInput.Enough.Instance : new LookupInput.Answered(peer.Peer, answer.Closer));
                        });
                        break;
                    case LookupEffect.GiveUp(var peer) when !isDone(effects):
                        node.Table.Failed(peer);
                        break;
                    case LookupEffect.Done(var closest):
                        result = closest;
                        break;
                    default:
                        break;
                }
            }
        }

        static bool isDone(List<LookupEffect> effects) => effects.Exists(e => e is LookupEffect.Done);
    }

    private void Deliver(SimNode from, SimNode to, DhtMessage question, Action<DhtMessage> onAnswer)
    {
        Send(from, to, () =>
        {
            Meet(to, from);
            Assert.True(to.Responder.TryAnswer(Now, from.Self.Peer, fromThisMachine: false, question, out DhtMessage? answer));
            if (answer is not null)
            {
                Send(to, from, () => onAnswer(answer));
            }
        });
    }

    private void Send(SimNode from, SimNode to, Action arrive)
    {
        Messages++;
        Trace = (Trace ^ ((ulong)from.Number << 32) ^ (ulong)to.Number ^ (ulong)Now.Ticks) * 1099511628211;
        bool lost = _random.NextDouble() < _loss;
        DateTimeOffset at = Now.AddMilliseconds(5 + (45 * _random.NextDouble()));
        if (!lost && to.IsAlive)
        {
            _events.Enqueue(() =>
            {
                if (to.IsAlive)
                {
                    arrive();
                }
            }, (at, _order++));
        }
    }

    private void Meet(SimNode node, SimNode other) => node.Table.Seen(Now, other.Self.Peer, other.Self.Addresses);
}
