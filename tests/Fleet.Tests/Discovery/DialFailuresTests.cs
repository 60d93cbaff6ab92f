using Ipcs.Fleet.Discovery;
using Ipcs.Multiformats;
using Microsoft.Extensions.Time.Testing;

namespace Ipcs.Fleet.Tests.Discovery;

public sealed class DialFailuresTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly DialFailures _failures;

    public DialFailuresTests() => _failures = new DialFailures(_time);

    [Fact]
    public void A_failure_counts_for_its_time()
    {
        PeerId peer = NewPeer(0);
        Assert.False(_failures.IsRecent(peer));
        _failures.Add(peer);
        _time.Advance(DialFailures.RetryAfter - TimeSpan.FromTicks(1));
        Assert.True(_failures.IsRecent(peer));
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.False(_failures.IsRecent(peer));
    }

    [Fact]
    public void A_second_failure_counts_from_its_own_time()
    {
        PeerId peer = NewPeer(0);
        _failures.Add(peer);
        _time.Advance(DialFailures.RetryAfter / 2);
        _failures.Add(peer);
        _time.Advance(DialFailures.RetryAfter / 2);
        _failures.Add(NewPeer(1));
        Assert.True(_failures.IsRecent(peer));
    }

    [Fact]
    public void A_peer_that_answers_has_no_failure()
    {
        PeerId peer = NewPeer(0);
        _failures.Add(peer);
        _failures.Remove(peer);
        Assert.False(_failures.IsRecent(peer));
    }

    [Fact]
    public void Of_more_failures_than_the_maximum_the_latest_are_remembered()
    {
        for (int i = 0; i <= DialFailures.MaxFailures; i++)
        {
            _failures.Add(NewPeer(i));
        }

        Assert.False(_failures.IsRecent(NewPeer(0)));
        Assert.True(_failures.IsRecent(NewPeer(1)));
        Assert.True(_failures.IsRecent(NewPeer(DialFailures.MaxFailures)));
    }

    private static PeerId NewPeer(int number) => PeerId.FromPublicKey(BitConverter.GetBytes(number));
}
