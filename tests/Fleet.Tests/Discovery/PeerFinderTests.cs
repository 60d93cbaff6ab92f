using Ipcs.Fleet.Discovery;
using Ipcs.Libp2p.Discovery;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.Fleet.Tests.Discovery;

/// <summary>Dials of discovered peers, on a clock that stands still until a test advances it.</summary>
public sealed class PeerFinderTests
{
    private static readonly TimeSpan DialTime = TimeSpan.FromSeconds(15);

    /// <summary>The longest random delay before a dial.</summary>
    private static readonly TimeSpan LongestDelay = TimeSpan.FromMilliseconds(300);

    private readonly TimerLog _time = new();
    private readonly DialLog _host;
    private readonly FoundPeer _found = new(
        DialLog.NewPeer(), [Multiaddr.Parse("/ip4/192.0.2.1/tcp/4001"), Multiaddr.Parse("/ip4/192.0.2.2/tcp/4001")]);

    private int _delays;

    public PeerFinderTests() => _host = new DialLog(_time);

    [Fact]
    public async Task A_dial_without_an_answer_ends_in_time_and_the_next_address_is_dialled()
    {
        await using PeerFinder finder = Start();
        finder.Found(_found);
        DialLog.Dial first = await NextAsync();
        Assert.Equal(_found.Addresses[0].WithPeer(_found.Peer), first.Address);
        _time.Advance(DialTime - TimeSpan.FromTicks(1));
        Assert.False(first.Token.IsCancellationRequested);
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.True(first.Token.IsCancellationRequested);
        Assert.Equal(_found.Addresses[1].WithPeer(_found.Peer), (await _host.NextAsync()).Address);
    }

    [Fact]
    public async Task A_peer_that_could_not_be_dialled_is_dialled_again_after_a_minute()
    {
        FoundPeer peer = _found with { Addresses = [_found.Addresses[0]] };
        await using PeerFinder finder = Start();
        finder.Found(peer);
        (await NextAsync()).Fail();

        // All workers dial: the failure is recorded before its worker takes the next peer.
        var dials = new List<DialLog.Dial>();
        for (int i = 0; i < 4; i++)
        {
            finder.Found(peer with { Peer = DialLog.NewPeer() });
            dials.Add(await NextAsync());
        }

        FoundPeer other = peer with { Peer = DialLog.NewPeer() };
        finder.Found(peer);
        finder.Found(other);
        dials[0].Fail();
        Assert.Equal(other.Peer, (await NextAsync()).Address.PeerId);

        // The other dials end too.
        _time.Advance(TimeSpan.FromMinutes(1));
        finder.Found(peer);
        Assert.Equal(peer.Peer, (await NextAsync()).Address.PeerId);
    }

    [Theory]
    [InlineData(1536, 32)]
    [InlineData(45, 11)]
    public async Task Peers_are_dialled_however_many_strangers_have_connected_until_enough_are(int target, int enough)
    {
        var host = new DialLog(_time) { ConnectionTarget = target };
        host.AddInbound(200);
        await using var finder = new PeerFinder(host, _time, seed: 7, NullLogger.Instance);
        for (int i = 0; i < enough; i++)
        {
            FoundPeer peer = _found with { Peer = DialLog.NewPeer() };
            finder.Found(peer);
            _delays++;
            while (_time.StartedWithin(LongestDelay) < _delays)
            {
                await Task.Delay(1, TestContext.Current.CancellationToken);
            }

            _time.Advance(LongestDelay);
            (await host.NextAsync()).Answer.SetResult(peer.Peer);
            while (host.Peers.Count < 200 + i + 1)
            {
                await Task.Delay(1, TestContext.Current.CancellationToken);
            }
        }

        finder.Found(_found);
        Assert.Equal(_delays, _time.StartedWithin(LongestDelay));
        Assert.Equal(0, host.Unread);
    }

    private PeerFinder Start() => new(_host, _time, seed: 7, NullLogger.Instance);

    /// <summary>Waits until a worker has begun its random delay, ends that, and returns the dial that follows.</summary>
    private async Task<DialLog.Dial> NextAsync()
    {
        _delays++;
        while (_time.StartedWithin(LongestDelay) < _delays)
        {
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }

        _time.Advance(LongestDelay);
        return await _host.NextAsync();
    }
}
