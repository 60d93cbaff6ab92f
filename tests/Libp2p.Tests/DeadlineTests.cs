using Microsoft.Extensions.Time.Testing;

namespace Ipcs.Libp2p.Tests;

public sealed class DeadlineTests
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void The_token_is_cancelled_after_the_timeout()
    {
        using var deadline = new Deadline(_time, Timeout, TestContext.Current.CancellationToken);
        _time.Advance(Timeout - TimeSpan.FromTicks(1));
        Assert.False(deadline.Token.IsCancellationRequested);
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.True(deadline.Token.IsCancellationRequested);
    }

    [Fact]
    public void A_restart_begins_the_timeout_anew()
    {
        using var deadline = new Deadline(_time, Timeout, TestContext.Current.CancellationToken);
        _time.Advance(Timeout / 2);
        deadline.CancelAfter(Timeout);
        _time.Advance(Timeout / 2);
        Assert.False(deadline.Token.IsCancellationRequested);
        _time.Advance(Timeout / 2);
        Assert.True(deadline.Token.IsCancellationRequested);
    }

    [Fact]
    public async Task The_token_is_cancelled_with_the_other_one()
    {
        using var other = new CancellationTokenSource();
        using var deadline = new Deadline(_time, Timeout, other.Token);
        await other.CancelAsync();
        Assert.True(deadline.Token.IsCancellationRequested);
    }
}
