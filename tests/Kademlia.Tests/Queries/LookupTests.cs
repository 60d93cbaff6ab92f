using CsCheck;
using Ipcs.Kademlia.Queries;
using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Tests.Queries;

public sealed class LookupTests
{
    private static readonly LookupOptions Options =
        new(20, 10, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(60));
    private static readonly KadKey Target = KadKey.Of(Peers.Key(7));

    [Fact]
    public void A_lookup_without_peers_ends_at_once()
    {
        var lookup = new Lookup(Target, Options, Peers.Id(0), []);
        Assert.Empty(Assert.IsType<LookupEffect.Done>(Assert.Single(Step(lookup, Peers.Start, LookupInput.Tick.Instance))).Closest);
        Assert.True(lookup.IsDone);
        Assert.Empty(Step(lookup, Peers.Start, LookupInput.Tick.Instance));
    }

    [Fact]
    public void Asks_the_closest_and_no_more_at_once_than_allowed()
    {
        var lookup = new Lookup(Target, Options, Peers.Id(0), Enumerable.Range(0, 50).Select(Peers.Peer));
        PeerId[] asked = [.. Step(lookup, Peers.Start, LookupInput.Tick.Instance).Cast<LookupEffect.Ask>().Select(a => a.Peer.Peer)];
        Assert.Equal(Enumerable.Range(1, 49).Select(Peers.Id).OrderBy(p => KadKey.Of(p).DistanceTo(Target)).Take(10), asked);
    }

    [Fact]
    public void Beside_a_slow_peer_another_is_asked_and_a_silent_peer_fails()
    {
        var lookup = new Lookup(Target, Options, Peers.Id(0), Enumerable.Range(1, 15).Select(Peers.Peer));
        Assert.Equal(10, Step(lookup, Peers.Start, LookupInput.Tick.Instance).Count);
        Assert.Equal(Peers.Start + Options.SlowTime, lookup.NextTick);
        Assert.Equal(5, Step(lookup, Peers.Start.AddSeconds(1), LookupInput.Tick.Instance).OfType<LookupEffect.Ask>().Count());
        List<LookupEffect> end = Step(lookup, Peers.Start.AddSeconds(11), LookupInput.Tick.Instance);
        Assert.Equal(15, end.OfType<LookupEffect.GiveUp>().Count());
        Assert.Empty(end.OfType<LookupEffect.Done>().Single().Closest);
    }

    [Fact]
    public void Late_and_unrequested_answers_are_ignored()
    {
        var lookup = new Lookup(Target, Options, Peers.Id(0), [Peers.Peer(1), Peers.Peer(2)]);
        Step(lookup, Peers.Start, LookupInput.Tick.Instance);
        Assert.Empty(Step(lookup, Peers.Start, new LookupInput.Answered(Peers.Id(9), [Peers.Peer(3)])));
        Step(lookup, Peers.Start, new LookupInput.Failed(Peers.Id(1)));
        Assert.Empty(Step(lookup, Peers.Start, new LookupInput.Answered(Peers.Id(1), [Peers.Peer(3)])));
        LookupEffect.Done done = Step(lookup, Peers.Start, new LookupInput.Answered(Peers.Id(2), [])).OfType<LookupEffect.Done>().Single();
        Assert.Equal([Peers.Id(2)], done.Closest.Select(p => p.Peer));
    }

    [Fact]
    public void Enough_ends_the_lookup_and_cancels_its_requests()
    {
        var lookup = new Lookup(Target, Options, Peers.Id(0), [Peers.Peer(1)]);
        Step(lookup, Peers.Start, LookupInput.Tick.Instance);
        List<LookupEffect> effects = Step(lookup, Peers.Start, LookupInput.Enough.Instance);
        Assert.Equal(Peers.Id(1), Assert.IsType<LookupEffect.GiveUp>(effects[0]).Peer);
        Assert.IsType<LookupEffect.Done>(effects[1]);
    }

    [Fact]
    public void Answers_that_invent_ever_closer_peers_do_not_keep_a_lookup_running()
    {
        // Each answer names closer peers than all before, as an attacker with invented identities can.
        PeerId[] closer = [.. Enumerable.Range(1, 20_000).Select(Peers.Id).OrderByDescending(p => KadKey.Of(p).DistanceTo(Target))];
        var lookup = new Lookup(Target, Options, Peers.Id(0), [new DhtPeer(closer[0], [])]);
        var open = new Queue<PeerId>(
            Step(lookup, Peers.Start, LookupInput.Tick.Instance).OfType<LookupEffect.Ask>().Select(a => a.Peer.Peer));
        int next = 1, requests = open.Count;
        while (open.TryDequeue(out PeerId peer))
        {
            PeerId[] named = closer[Math.Min(next, closer.Length - 1)..Math.Min(next + 40, closer.Length)];
            List<DhtPeer> answer = [.. named.Select(p => new DhtPeer(p, []))];
            next += 40;
            foreach (LookupEffect.Ask ask in Step(lookup, Peers.Start, new LookupInput.Answered(peer, answer)).OfType<LookupEffect.Ask>())
            {
                requests++;
                open.Enqueue(ask.Peer.Peer);
            }
        }

        Assert.True(lookup.IsDone);
        Assert.InRange(requests, 1, Options.MaxRequests);
    }

    [Fact]
    public void A_lookup_ends_with_peers_that_answered() => Gen.Select(Gen.Int, Gen.Int[1, 60]).Sample((seed, seeds) =>
    {
        var random = new Random(seed);
        DateTimeOffset now = Peers.Start;
        var lookup = new Lookup(Target, Options, Peers.Id(0), Enumerable.Range(1, seeds).Select(Peers.Peer));
        var answered = new HashSet<PeerId>();
        var open = new List<PeerId>();
        LookupInput input = LookupInput.Tick.Instance;
        for (int steps = 0; ; steps++)
        {
            Assert.InRange(steps, 0, 5000);
            List<LookupEffect> effects = Step(lookup, now, input);
            open.AddRange(effects.OfType<LookupEffect.Ask>().Select(a => a.Peer.Peer));
            open.RemoveAll(effects.OfType<LookupEffect.GiveUp>().Select(g => g.Peer).Contains);
            Assert.InRange(lookup.Requests, 0, Options.MaxRequests);
            if (effects.OfType<LookupEffect.Done>().SingleOrDefault() is { } done)
            {
                Assert.Subset(answered, done.Closest.Select(p => p.Peer).ToHashSet());
                Assert.InRange(done.Closest.Count, 0, Options.Count);
                return;
            }

            int choice = random.Next(10);
            if (choice == 0 || open.Count == 0)
            {
                now = lookup.NextTick!.Value;
                input = LookupInput.Tick.Instance;
                continue;
            }

            PeerId peer = open[random.Next(open.Count)];
            open.Remove(peer);
            if (choice < 3)
            {
                input = new LookupInput.Failed(peer);
            }
            else
            {
                answered.Add(peer);
                input = new LookupInput.Answered(peer, [.. Enumerable.Range(0, random.Next(25)).Select(_ => Peers.Peer(random.Next(500)))]);
            }
        }
    });

    private static List<LookupEffect> Step(Lookup lookup, DateTimeOffset now, LookupInput input)
    {
        var effects = new List<LookupEffect>();
        lookup.Step(now, input, effects);
        return effects;
    }
}
