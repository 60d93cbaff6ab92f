using Ipcs.Bitswap.Server;
using Microsoft.Extensions.Time.Testing;

namespace Ipcs.Bitswap.Tests;

/// <summary>The upload rate by a clock of the test's own.</summary>
public sealed class FairUploadSchedulerTests
{
    private const int Rate = 1_000_000;
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(10);

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void The_rate_is_kept_and_shared_evenly_by_bytes_whatever_the_messages()
    {
        using var pace = new FairUploadScheduler(Rate, _time);
        Sender[] senders = [new(pace, 8_000), new(pace, 60_000), new(pace, 120_000)];
        Run(senders, seconds: 30);
        Assert.InRange(senders.Sum(s => s.Sent), 29.9 * Rate, (30 * Rate * 1.01) + 120_000);
        Assert.All(senders, s => Assert.InRange(s.Sent, (10 * Rate) - 400_000, (10 * Rate) + 400_000));
    }

    [Fact]
    public void Who_wants_less_gets_it_and_the_others_share_the_rest()
    {
        using var pace = new FairUploadScheduler(Rate, _time);
        var modest = new Sender(pace, 20_000) { Pause = 200 };
        Sender[] senders = [modest, new(pace, 60_000), new(pace, 60_000)];
        Run(senders, seconds: 30);

        // 20,000 bytes each 200 ms and a little: less than its third, and hardly delayed.
        Assert.InRange(modest.Sent, 2_000_000, 3_000_000);
        Assert.All(senders[1..], s => Assert.InRange(s.Sent, 13_000_000, 14_500_000));
    }

    [Fact]
    public void What_was_not_sent_is_given_back()
    {
        using var pace = new FairUploadScheduler(Rate, _time);
        var flow = new UploadFlow(() => { });
        for (int i = 0; i < 100; i++)
        {
            Assert.True(pace.TryTake(flow, 500_000));
            pace.Settle(flow, 0);
        }
    }

    [Fact]
    public void A_flow_that_is_gone_keeps_nobody_waiting()
    {
        using var pace = new FairUploadScheduler(Rate, _time);
        bool woken = false;
        UploadFlow first = new(() => { }), gone = new(() => Assert.Fail("it is gone")), last = new(() => woken = true);
        Assert.True(pace.TryTake(first, Rate));
        pace.Settle(first, Rate);
        Assert.False(pace.TryTake(gone, 10 * Rate));
        Assert.False(pace.TryTake(last, 1000));
        pace.Leave(gone);
        _time.Advance(TimeSpan.FromSeconds(1.1));
        Assert.True(woken);
        Assert.True(pace.TryTake(last, 1000));
    }

    [Fact]
    public void Without_a_rate_nobody_waits()
    {
        using var pace = new FairUploadScheduler(0, _time);
        var flow = new UploadFlow(() => Assert.Fail("nobody waited"));
        Assert.Equal(int.MaxValue, pace.MessageBytes);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            Assert.True(pace.TryTake(flow, int.MaxValue));
            pace.Settle(flow, int.MaxValue);
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

    /// <summary>Sends messages of one size whenever it may, and pauses after each.</summary>
    private sealed class Sender(FairUploadScheduler pace, int size)
    {
        private readonly UploadFlow _flow = new(() => { });
        private int _next;

        public int Pause { get; init; }

        public long Sent { get; private set; }

        public void Send(int now)
        {
            while (now >= _next && pace.TryTake(_flow, size))
            {
                pace.Settle(_flow, size);
                Sent += size;
                _next = now + Pause;
            }
        }
    }
}
