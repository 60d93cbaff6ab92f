using System.Buffers.Binary;
using Ipcs.Bitswap.Client;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Tests;

/// <summary>The order in which the nodes of a fleet request blocks, in seeded simulations in virtual time.</summary>
public sealed class FleetOrderTests
{
    private const int BlockLength = 262_144;

    /// <summary>A million bits a second, in bytes a second.</summary>
    private const double Megabit = 125_000;

    [Theory]
    [InlineData(5, 1)]
    [InlineData(5, 2)]
    [InlineData(5, 3)]
    [InlineData(10, 4)]
    [InlineData(10, 5)]
    public void One_uplink_carries_each_block_about_once(int receivers, int seed)
    {
        var simulation = new Simulation(seed);
        Cid[] cids = Blocks(400);
        SimulatedNode seeder = simulation.Add(200 * Megabit);
        seeder.Seed(cids, BlockLength);
        SimulatedNode[] nodes = [.. Enumerable.Range(0, receivers).Select(_ => simulation.Add(1000 * Megabit))];
        foreach (SimulatedNode node in nodes)
        {
            simulation.After(simulation.Random.Next(20_000), () =>
            {
                node.SetAvailability(seeder, PeerAvailability.Complete);
                foreach (SimulatedNode leecher in nodes.Where(n => n != node))
                {
                    node.SetAvailability(leecher, PeerAvailability.Partial);
                }

                node.Want(cids, cids.Length);
            });
        }

        long start = simulation.Now;
        simulation.Run(() => nodes.All(n => n.DoneAt >= 0), seconds: 60);
        double content = (double)cids.Length * BlockLength;
        double last = (nodes.Max(n => n.DoneAt) - start) / 1e6;
        double duplicates = nodes.Sum(n => n.Duplicates) / (content * receivers);
        TestContext.Current.SendDiagnosticMessage(
            $"{receivers} receivers: the seeder sends {seeder.Sent / content:F2} times the content, "
            + $"the last is done after {last / (content / (200 * Megabit)):F2} times content/uplink, {duplicates:P2} duplicates");
        Assert.InRange(seeder.Sent / content, 1, 1.3);
        Assert.InRange(last / (content / (200 * Megabit)), 1, 1.5);
        Assert.InRange(duplicates, 0, 0.01);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Requests_to_a_slow_peer_move_to_the_others(int seed)
    {
        var simulation = new Simulation(seed);
        Cid[] cids = Blocks(400);
        SimulatedNode[] seeders = [simulation.Add(400 * Megabit), simulation.Add(400 * Megabit), simulation.Add(400 * Megabit)];
        SimulatedNode node = simulation.Add(1000 * Megabit);
        foreach (SimulatedNode seeder in seeders)
        {
            seeder.Seed(cids, BlockLength);
            node.SetAvailability(seeder, PeerAvailability.Complete);
        }

        simulation.After(300_000, () => seeders[0].Uplink = Megabit);
        node.Want(cids, cids.Length);
        long start = simulation.Now;
        simulation.Run(() => node.DoneAt >= 0, seconds: 60);

        // Two seeders alone would take 1.05 s.
        double seconds = (node.DoneAt - start) / 1e6;
        TestContext.Current.SendDiagnosticMessage(
            $"one of three slowed down: {seconds:F2} s, {(double)node.Duplicates / node.Received:P2} duplicates");
        Assert.InRange(seconds, 0.7, 2.5);
        Assert.InRange((double)node.Duplicates / node.Received, 0, 0.01);
    }

    [Fact]
    public void Requests_to_a_dead_peer_move_within_a_second()
    {
        var simulation = new Simulation(7);
        Cid[] cids = Blocks(400);
        SimulatedNode[] seeders = [simulation.Add(400 * Megabit), simulation.Add(400 * Megabit)];
        SimulatedNode node = simulation.Add(1000 * Megabit);
        foreach (SimulatedNode seeder in seeders)
        {
            seeder.Seed(cids, BlockLength);
            node.SetAvailability(seeder, PeerAvailability.Complete);
        }

        simulation.After(300_000, () => seeders[0].Uplink = 0);
        node.Want(cids, cids.Length);
        long start = simulation.Now;
        simulation.Run(() => node.DoneAt >= 0, seconds: 60);

        // One seeder alone would take 2.1 s.
        Assert.InRange((node.DoneAt - start) / 1e6, 1, 3.2);
    }

    [Fact]
    public void Three_peers_give_three_times_the_rate_of_one()
    {
        double one = Seconds(1);
        double three = Seconds(3);
        TestContext.Current.SendDiagnosticMessage($"three peers are {one / three:F2} times as fast as one");
        Assert.True(one / three > 2.6);

        static double Seconds(int peers)
        {
            var simulation = new Simulation(11);
            Cid[] cids = Blocks(500);
            SimulatedNode[] seeders = [.. Enumerable.Range(0, peers).Select(_ => simulation.Add(1000 * Megabit))];
            SimulatedNode node = simulation.Add(10_000 * Megabit);
            foreach (SimulatedNode seeder in seeders)
            {
                seeder.Seed(cids, BlockLength);
                node.SetAvailability(seeder, PeerAvailability.Complete);
            }

            node.Want(cids, cids.Length);
            long start = simulation.Now;
            simulation.Run(() => node.DoneAt >= 0, seconds: 60);
            return (node.DoneAt - start) / 1e6;
        }
    }

    /// <summary>
    /// The session has no named peers and knows only the peer that sent the root: all three peers with the content are used.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_session_without_named_peers_uses_all_peers_with_the_content(int seed)
    {
        var simulation = new Simulation(seed);
        Cid[] cids = Blocks(500);
        SimulatedNode[] seeders = [.. Enumerable.Range(0, 3).Select(_ => simulation.Add(1000 * Megabit))];
        SimulatedNode[] others = [.. Enumerable.Range(0, 5).Select(_ => simulation.Add(1000 * Megabit))];
        SimulatedNode node = simulation.Add(10_000 * Megabit);
        node.Session.PeerScope = PeerScope.Connected;
        foreach (SimulatedNode seeder in seeders)
        {
            seeder.Seed(cids, BlockLength);
        }

        node.SetAvailability(seeders[0], PeerAvailability.Assumed);
        node.Seed(cids[..1], BlockLength);
        foreach (Cid cid in cids[1..])
        {
            node.Want([cid], cids.Length);
        }

        long start = simulation.Now;
        simulation.Run(() => node.DoneAt >= 0, seconds: 60);

        // One seeder alone would take 1.05 s.
        Assert.InRange((node.DoneAt - start) / 1e6, 0.3, 0.5);
        Assert.All(seeders, s => Assert.InRange(s.Sent, cids.Length * (long)BlockLength / 5, cids.Length * (long)BlockLength / 2));
        Assert.Equal(0, others.Sum(o => o.Sent));
        Assert.InRange((double)node.Duplicates / node.Received, 0, 0.01);
    }

    /// <summary>
    /// Each of three peers has every third block: a session that broadcasts loses no time by the blocks that a peer does not have.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Three_peers_with_a_third_each_are_almost_as_fast_as_three_with_all(int seed)
    {
        double all = Seconds(parts: false);
        double thirds = Seconds(parts: true);
        TestContext.Current.SendDiagnosticMessage($"from three that have all: {all:F2} s, a third each: {thirds:F2} s");
        Assert.InRange(thirds / all, 0.9, 1.1);

        double Seconds(bool parts)
        {
            var simulation = new Simulation(seed);
            Cid[] cids = Blocks(450);
            SimulatedNode[] seeders = [.. Enumerable.Range(0, 3).Select(_ => simulation.Add(1000 * Megabit))];
            SimulatedNode node = simulation.Add(10_000 * Megabit);
            for (int i = 0; i < seeders.Length; i++)
            {
                seeders[i].Seed(cids.Where((_, n) => !parts || n % 3 == i), BlockLength);
                if (!parts)
                {
                    node.SetAvailability(seeders[i], PeerAvailability.Complete);
                }
            }

            if (parts)
            {
                node.Broadcast();
            }

            node.Want(cids, cids.Length);
            long start = simulation.Now;
            simulation.Run(() => node.DoneAt >= 0, seconds: 60);
            Assert.Equal(0, node.Duplicates);
            return (node.DoneAt - start) / 1e6;
        }
    }

    /// <summary>The received bytes stay below the download rate, in each second and in total, from one peer and from three.</summary>
    [Theory]
    [InlineData(1, 1_000_000)]
    [InlineData(1, 20_000_000)]
    [InlineData(3, 20_000_000)]
    public void Downloads_keep_to_their_rate(int peers, long rate)
    {
        var simulation = new Simulation(5);
        int seconds = 10;
        Cid[] cids = Blocks((int)(rate * seconds / BlockLength));
        SimulatedNode[] seeders = [.. Enumerable.Range(0, peers).Select(_ => simulation.Add(1000 * Megabit))];
        SimulatedNode node = simulation.Add(1000 * Megabit, new BitswapOptions { DownloadRate = rate });
        foreach (SimulatedNode seeder in seeders)
        {
            seeder.Seed(cids, BlockLength);
            node.SetAvailability(seeder, PeerAvailability.Complete);
        }

        node.Want(cids, cids.Length);
        long start = simulation.Now;
        var received = new List<long>();
        Sample();
        simulation.Run(() => node.DoneAt >= 0, seconds: 60);
        Assert.InRange((node.DoneAt - start) / 1e6, seconds - 0.8, seconds + 1.0);
        Assert.Equal(0, node.Duplicates);
        Assert.All(received.Zip(received.Skip(1)), pair => Assert.InRange(pair.Second - pair.First, 0, (rate * 1.3) + (2 * BlockLength)));

        void Sample() => simulation.After(1_000_000, () =>
        {
            received.Add(node.Received);
            Sample();
        });
    }

    private static Cid[] Blocks(int count) => [.. Enumerable.Range(0, count).Select(i =>
    {
        byte[] number = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, i);
        return Cid.V1(Multicodec.Raw, Multihash.Sha256(number));
    })];
}
