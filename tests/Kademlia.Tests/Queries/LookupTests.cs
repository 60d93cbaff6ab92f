using CsCheck;
using Ipcs.Kademlia.Queries;
using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Tests.Queries;

public sealed class LookupTests
{
    private static readonly LookupOptions Options = new(20, 10, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(60));
    private static readonly KadKey Target = KadKey.Of(Peers.Key(7));

    [Fact]
    public void WithNobodyItIsOverAtOnce()
    {
        var lookup = new Lookup(Target, Options, Peers.Id(0), []);
        Assert.Empty(Assert.IsType<LookupEffect.Done>(Assert.Single(Step(lookup, Peers.Start, LookupInput.Tick.Instance))).Closest);
        Assert.True(lookup.IsDone);
        Assert.Empty(Step(lookup, Peers.Start, LookupInput.Tick.Instance));
    }

    [Fact]
    public void AsksTheClosestAndNoMoreAtOnceThanAllowed()
    {
        var lookup = new Lookup(Target, Options, Peers.Id(0), Enumerable.Range(0, 50).Select(Peers.Peer));
        PeerId[] asked = [.. Step(lookup, Peers.Start, LookupInput.Tick.Instance).Cast<LookupEffect.Ask>().Select(a => a.Peer.Peer)];
        Assert.Equal(Enumerable.Range(1, 49).Select(Peers.Id).OrderBy(p => KadKey.Of(p).DistanceTo(Target)).Take(10), asked);
    }

    [Fact]
    public void ASlowPeerLetsAnotherBeAskedAndASilentOneFails()
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
    public void LateAndUnaskedAnswersAreNotListenedTo()
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
    public void EnoughEndsItAndGivesUpWhoIsBeingAsked()
    {
        var lookup = new Lookup(Target, Options, Peers.Id(0), [Peers.Peer(1)]);
        Step(lookup, Peers.Start, LookupInput.Tick.Instance);
        List<LookupEffect> effects = Step(lookup, Peers.Start, LookupInput.Enough.Instance);
        Assert.Equal(Peers.Id(1), Assert.IsType<LookupEffect.GiveUp>(effects[0]).Peer);
        Assert.IsType<LookupEffect.Done>(effects[1]);
    }

    [Fact]
    public void AnswersThatInventEverCloserPeersDoNotKeepItGoing()
    {
        // Each answer names peers closer than any before, as an attacker may who makes up identities.
        PeerId[] closer = [.. Enumerable.Range(1, 20_000).Select(Peers.Id).OrderByDescending(p => KadKey.Of(p).DistanceTo(Target))];
        var lookup = new Lookup(Target, Options, Peers.Id(0), [new DhtPeer(closer[0], [])]);
        var open = new Queue<PeerId>(Step(lookup, Peers.Start, LookupInput.Tick.Instance).OfType<LookupEffect.Ask>().Select(a => a.Peer.Peer));
        int next = 1, requests = open.Count;
        while (open.TryDequeue(out PeerId peer))
        {
            List<DhtPeer> answer = closer[Math.Min(next, closer.Length - 1)..Math.Min(next + 40, closer.Length)].Select(p => new DhtPeer(p, [])).ToList();
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
    public void WhateverHappensItEndsAndItsResultAnswered() => Gen.Select(Gen.Int, Gen.Int[1, 60]).Sample((seed, seeds) =>
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
