using Ipcs.Kademlia.Queries;
using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Wire;

namespace Ipcs.Kademlia.Tests.Simulation;

/// <summary>A simulated node: the state machines of a DHT node, without its I/O.</summary>
internal sealed class SimNode
{
    public SimNode(int number, DhtOptions options, Random random)
    {
        Number = number;
        Self = Peers.Peer(number);
        Key = KadKey.Of(Self.Peer);
        Table = new RoutingTable(Self.Peer, options.BucketSize);
        Responder = new DhtResponder(Table, options, random, () => Self, _ => []);
    }

    public int Number { get; }

    public DhtPeer Self { get; }

    public KadKey Key { get; }

    public RoutingTable Table { get; }

    public DhtResponder Responder { get; }

    public bool IsAlive { get; set; } = true;

    public Lookup Lookup(KadKey target, DhtOptions options, int count) => new(
        target,
        new LookupOptions(count, options.Concurrency, TimeSpan.FromSeconds(1), options.RequestTime, options.QueryTime),
        Self.Peer,
        Table.Closest(target, count).Select(e => new DhtPeer(e.Peer, e.Addresses)));
}
