using Ipcs.Kademlia.Reproviding;
using Ipcs.Kademlia.Routing;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Tests.Reproviding;

public sealed class ProvideScheduleTests
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(22);

    [Fact]
    public void A_new_key_is_due_at_once_and_again_before_its_interval_is_over()
    {
        ProvideSchedule schedule = Schedule();
        Assert.True(schedule.Add(Peers.Start, Peers.Key(1), null));
        Assert.False(schedule.Add(Peers.Start, Peers.Key(1), null));
        Assert.Equal(Peers.Key(1), schedule.NextDue(Peers.Start));
        schedule.Done(Peers.Start, Peers.Key(1));
        Assert.Null(schedule.NextDue(Peers.Start.AddHours(19.7)));
        Assert.Equal(Peers.Key(1), schedule.NextDue(Peers.Start.AddHours(22)));
        Assert.InRange(schedule.NextDueAt()!.Value, Peers.Start.AddHours(19.8), Peers.Start.AddHours(22));
    }

    [Fact]
    public void A_key_of_the_last_run_is_due_one_interval_after_its_announcement()
    {
        ProvideSchedule schedule = Schedule();
        schedule.Add(Peers.Start, Peers.Key(1), Peers.Start.AddHours(-10));
        Assert.Null(schedule.NextDue(Peers.Start));
        Assert.NotNull(schedule.NextDue(Peers.Start.AddHours(12)));
    }

    [Fact]
    public void A_withdrawn_key_is_not_due()
    {
        ProvideSchedule schedule = Schedule();
        schedule.Add(Peers.Start, Peers.Key(1), null);
        Assert.True(schedule.Remove(Peers.Key(1)));
        Assert.False(schedule.Remove(Peers.Key(1)));
        Assert.Null(schedule.NextDue(Peers.Start.AddDays(2)));
        Assert.Null(schedule.NextDueAt());
    }

    [Fact]
    public void Due_keys_are_returned_in_the_order_of_the_key_space()
    {
        ProvideSchedule schedule = Schedule();
        for (int i = 0; i < 200; i++)
        {
            schedule.Add(Peers.Start, Peers.Key(i), null);
        }

        var order = new List<KadKey>();
        while (schedule.NextDue(Peers.Start) is { } key)
        {
            order.Add(KadKey.Of(key));
            schedule.Done(Peers.Start, key);
        }

        Assert.Equal(200, order.Count);
        Assert.Equal(order.Order(), order);
        Assert.Equal(
            order.Where(p => p.CommonPrefix(order[0]) >= 3).Count(), schedule.DueIn(DateTimeOffset.MaxValue, order[0], 3, 1000).Count);
    }

    [Fact]
    public void A_failed_key_is_retried_with_growing_delays_and_at_once_when_peers_join()
    {
        ProvideSchedule schedule = Schedule();
        Multihash key = Peers.Key(1);
        schedule.Add(Peers.Start, key, null);
        DateTimeOffset now = Peers.Start;
        TimeSpan longest = TimeSpan.Zero;
        for (int i = 0; i < 12; i++)
        {
            schedule.Failed(now, key);
            TimeSpan pause = schedule.NextDueAt()!.Value - now;
            Assert.InRange(pause, TimeSpan.FromSeconds(15), TimeSpan.FromMinutes(90));
            longest = pause > longest ? pause : longest;
            now += pause;
        }

        Assert.InRange(longest, TimeSpan.FromMinutes(30), TimeSpan.FromMinutes(90));
        schedule.Failed(now, key);
        schedule.RetryNow(now);
        Assert.Equal(key, schedule.NextDue(now));
    }

    private static ProvideSchedule Schedule() => new(Interval, new Random(1));
}
