using Ipcs.Bitswap.Server;
using Microsoft.Extensions.Time.Testing;

namespace Ipcs.Bitswap.Tests;

/// <summary>The upload rate on a simulated clock.</summary>
public sealed class FairUploadSchedulerTests
{
    private const int Rate = 1_000_000;
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(10);

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void The_rate_is_kept_and_shared_evenly_by_bytes_whatever_the_messages()
    {
        using var scheduler = new FairUploadScheduler(Rate, _time);
        Sender[] senders = [new(scheduler, 8_000), new(scheduler, 60_000), new(scheduler, 120_000)];
        Run(senders, seconds: 30);
        Assert.InRange(senders.Sum(s => s.Sent), 29.9 * Rate, (30 * Rate * 1.01) + 120_000);
        Assert.All(senders, s => Assert.InRange(s.Sent, (10 * Rate) - 400_000, (10 * Rate) + 400_000));
    }

    [Fact]
    public void A_flow_that_needs_less_gets_it_and_the_others_share_the_rest()
    {
        using var scheduler = new FairUploadScheduler(Rate, _time);
        var modest = new Sender(scheduler, 20_000) { Pause = 200 };
        Sender[] senders = [modest, new(scheduler, 60_000), new(scheduler, 60_000)];
        Run(senders, seconds: 30);

        // 20,000 bytes every 200 ms and a little: less than a third of the rate, and hardly delayed.
        Assert.InRange(modest.Sent, 2_000_000, 3_000_000);
        Assert.All(senders[1..], s => Assert.InRange(s.Sent, 13_000_000, 14_500_000));
    }

    [Fact]
    public void Granted_bytes_that_were_not_sent_are_returned()
    {
        using var scheduler = new FairUploadScheduler(Rate, _time);
        var flow = new UploadFlow(() => { });
        for (int i = 0; i < 100; i++)
        {
            Assert.True(scheduler.TryTake(flow, 500_000));
            scheduler.Settle(flow, 0);
        }
    }

    [Fact]
    public void A_removed_flow_does_not_delay_the_others()
    {
        using var scheduler = new FairUploadScheduler(Rate, _time);
        bool woken = false;
        UploadFlow first = new(() => { }), gone = new(() => Assert.Fail("it is gone")), last = new(() => woken = true);
        Assert.True(scheduler.TryTake(first, Rate));
        scheduler.Settle(first, Rate);
        Assert.False(scheduler.TryTake(gone, 10 * Rate));
        Assert.False(scheduler.TryTake(last, 1000));
        scheduler.Leave(gone);
        _time.Advance(TimeSpan.FromSeconds(1.1));
        Assert.True(woken);
        Assert.True(scheduler.TryTake(last, 1000));
    }

    [Fact]
    public void Without_a_rate_no_flow_waits()
    {
        using var scheduler = new FairUploadScheduler(0, _time);
        var flow = new UploadFlow(() => Assert.Fail("no flow waited"));
        Assert.Equal(int.MaxValue, scheduler.MessageBytes);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            Assert.True(scheduler.TryTake(flow, int.MaxValue));
            scheduler.Settle(flow, int.MaxValue);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private void Run(Sender[] senders, int seconds)
    {
        for (int now = 0; now < seconds * 1000; now += (int)Step.TotalMilliseconds)
        {
            foreach (Sender sender in senders)
            {
                sender.Send(now);
            }

            _time.Advance(Step);
        }
    }

    /// <summary>Sends messages of one size whenever the scheduler allows it, and pauses after each.</summary>
    private sealed class Sender(FairUploadScheduler scheduler, int size)
    {
        private readonly UploadFlow _flow = new(() => { });
        private int _next;

        public int Pause { get; init; }

        public long Sent { get; private set; }

        public void Send(int now)
        {
            while (now >= _next && scheduler.TryTake(_flow, size))
            {
                scheduler.Settle(_flow, size);
                Sent += size;
                _next = now + Pause;
            }
        }
    }
}
