using Ipcs.Kademlia.Routing;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Tests.Simulation;

/// <summary>Networks in virtual time. A failure can be repeated with its seed.</summary>
public sealed class SimulationTests
{
    private const int K = 20;

    [Theory]
    [InlineData(3, 1)]
    [InlineData(200, 2)]
    [InlineData(500, 3)]
    public void Lookups_find_the_true_closest_with_bounded_messages(int nodes, int seed)
    {
        var network = new SimNetwork(nodes, seed);
        network.Bootstrap();
        int right = 0, expected = 0;
        for (int i = 0; i < 50; i++)
        {
            SimNode from = network.AnyAlive();
            long before = network.Messages;
            PeerId[] found = [.. network.FindClosest(from, Peers.Key(i).ToArray(), K).Select(p => p.Peer)];
            PeerId[] closest = [.. Closest(network, Peers.Key(i), from).Take(K)];
            Assert.Equal(closest[0], found[0]);
            right += found.Intersect(closest).Count();
            expected += closest.Length;

            // A request and an answer for each of the k closest peers and of those on the way to them.
            Assert.InRange(network.Messages - before, 2 * closest.Length, 2 * 3 * K);
        }

        Assert.InRange((double)right / expected, 0.99, 1.0);
    }

    [Fact]
    public void Providers_are_found_after_a_third_of_the_network_is_gone()
    {
        var network = new SimNetwork(200, seed: 4);
        network.Bootstrap();
        var providers = new Dictionary<Multihash, SimNode>();
        for (int i = 0; i < 30; i++)
        {
            SimNode provider = network.AnyAlive();
            providers.Add(Peers.Key(i), provider);
            Assert.Equal(K, network.Provide(provider, Peers.Key(i)));
        }

        foreach (SimNode node in network.Nodes.Where(n => n.Number % 3 == 0 && !providers.ContainsValue(n)))
        {
            node.IsAlive = false;
        }

        network.Pass(TimeSpan.FromHours(1));
        foreach ((Multihash key, SimNode provider) in providers)
        {
            Assert.Contains(provider.Self.Peer, network.FindProviders(network.AnyAlive(), key));
        }
    }

    [Fact]
    public void Providers_are_found_though_a_tenth_of_all_messages_is_lost()
    {
        var network = new SimNetwork(80, seed: 5, loss: 0.1);
        network.Bootstrap();
        for (int i = 0; i < 15; i++)
        {
            SimNode provider = network.AnyAlive();
            network.Provide(provider, Peers.Key(i));
            Assert.Contains(provider.Self.Peer, network.FindProviders(network.AnyAlive(), Peers.Key(i)));
        }
    }

    [Fact]
    public void Records_that_are_not_renewed_are_gone_after_two_days()
    {
        var network = new SimNetwork(50, seed: 6);
        network.Bootstrap();
        SimNode provider = network.AnyAlive();
        network.Provide(provider, Peers.Key(1));
        network.Pass(TimeSpan.FromHours(47));
        Assert.NotEmpty(network.FindProviders(network.AnyAlive(), Peers.Key(1)));
        network.Pass(TimeSpan.FromHours(2));
        Assert.Empty(network.FindProviders(network.AnyAlive(), Peers.Key(1)));
    }

    [Fact]
    public void A_network_with_churn_stays_connected()
    {
        var network = new SimNetwork(100, seed: 7);
        network.Bootstrap();
        var random = new Random(7);
        for (int round = 0; round < 5; round++)
        {
            foreach (SimNode node in network.Nodes)
            {
                bool wasAlive = node.IsAlive;
                node.IsAlive = random.NextDouble() < (wasAlive ? 0.9 : 0.5);
            }

            network.Pass(TimeSpan.FromMinutes(10));
            foreach (SimNode node in network.Alive())
            {
                network.FindClosest(node, node.Self.Peer.ToArray(), K);
            }
        }

        for (int i = 0; i < 20; i++)
        {
            SimNode from = network.AnyAlive();
            PeerId[] closest = [.. Closest(network, Peers.Key(i), from).Take(K)];
            PeerId[] found = [.. network.FindClosest(from, Peers.Key(i).ToArray(), K).Select(p => p.Peer)];
            Assert.Equal(closest[0], found[0]);
            Assert.InRange(found.Intersect(closest).Count(), K - 4, K);
        }
    }

    [Fact]
    public void The_same_seed_repeats_a_run() => Assert.Equal(Trace(), Trace());

    private static ulong Trace()
    {
        var network = new SimNetwork(60, seed: 8, loss: 0.05);
        network.Bootstrap();
        network.Provide(network.AnyAlive(), Peers.Key(1));
        network.FindProviders(network.AnyAlive(), Peers.Key(1));
        return network.Trace;
    }

    private static IEnumerable<PeerId> Closest(SimNetwork network, Multihash key, SimNode except)
    {
        var point = KadKey.Of(key);
        return network.Alive().Where(n => n != except).OrderBy(n => n.Key.DistanceTo(point)).Select(n => n.Self.Peer);
    }
}
