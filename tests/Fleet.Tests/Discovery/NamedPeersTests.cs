using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Ipcs.Fleet.Discovery;
using Ipcs.Libp2p.Dns;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.Fleet.Tests.Discovery;

/// <summary>The peers behind a DNS name, on a clock that stands still until a test advances it.</summary>
public sealed class NamedPeersTests
{
    private const int Seed = 7;

    private static readonly TimeSpan ResolveTime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan DialTime = TimeSpan.FromSeconds(15);
    private static readonly Multiaddr Name = Multiaddr.Parse("/dns/fleet.test/tcp/4001");

    private readonly TimerLog _time = new();
    private readonly Dns _dns = new();
    private readonly DialLog _host;

    public NamedPeersTests() => _host = new DialLog(_time);

    [Fact]
    public async Task A_name_that_is_not_resolved_in_time_is_resolved_again_after_the_pause()
    {
        await using NamedPeers peers = Start();
        Dns.Question first = await _dns.NextAsync();
        _time.Advance(ResolveTime - TimeSpan.FromTicks(1));
        Assert.False(first.Token.IsCancellationRequested);
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.True(first.Token.IsCancellationRequested);

        TimeSpan pause = Pause(new Random(Seed));
        await _time.StartedAsync(pause);
        _time.Advance(pause - TimeSpan.FromMilliseconds(1));
        Assert.Equal(0, _dns.Unread);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        await _dns.NextAsync();
    }

    [Fact]
    public async Task The_pauses_follow_from_the_seed()
    {
        await using NamedPeers peers = Start();
        var random = new Random(Seed);
        for (int i = 0; i < 3; i++)
        {
            (await _dns.NextAsync()).Answer.SetResult([]);
            TimeSpan pause = Pause(random);
            await _time.StartedAsync(pause);
            _time.Advance(pause);
        }
    }

    [Fact]
    public async Task A_dial_without_an_answer_ends_in_time_and_is_repeated_in_the_next_round()
    {
        await using NamedPeers peers = Start();
        (await _dns.NextAsync()).Answer.SetResult([IPAddress.Parse("192.0.2.1")]);
        DialLog.Dial first = await _host.NextAsync();
        Assert.Equal("/ip4/192.0.2.1/tcp/4001", first.Address.ToString());
        _time.Advance(DialTime - TimeSpan.FromTicks(1));
        Assert.False(first.Token.IsCancellationRequested);
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.True(first.Token.IsCancellationRequested);

        TimeSpan pause = Pause(new Random(Seed));
        await _time.StartedAsync(pause);
        _time.Advance(pause);
        (await _dns.NextAsync()).Answer.SetResult([IPAddress.Parse("192.0.2.1")]);
        Assert.Equal(first.Address, (await _host.NextAsync()).Address);
    }

    [Fact]
    public async Task An_address_of_this_host_is_not_dialled_again()
    {
        await using NamedPeers peers = Start();
        var random = new Random(Seed);
        for (int i = 0; i < 3; i++)
        {
            (await _dns.NextAsync()).Answer.SetResult([IPAddress.Parse("192.0.2.2")]);
            if (i == 0)
            {
                (await _host.NextAsync()).Answer.SetResult(_host.LocalPeer);
            }

            TimeSpan pause = Pause(random);
            await _time.StartedAsync(pause);
            _time.Advance(pause);
        }

        Assert.Equal(0, _host.Unread);
    }

    [Fact]
    public async Task The_peers_of_a_name_are_protected_while_it_resolves_to_them()
    {
        await using NamedPeers peers = Start();
        var random = new Random(Seed);
        PeerId one = DialLog.NewPeer();
        for (int i = 0; i < 2; i++)
        {
            (await _dns.NextAsync()).Answer.SetResult(i == 0 ? [IPAddress.Parse("192.0.2.3")] : [IPAddress.Parse("192.0.2.4")]);
            DialLog.Dial dial = await _host.NextAsync();
            if (i == 0)
            {
                dial.Answer.SetResult(one);
            }
            else
            {
                dial.Fail();
            }

            TimeSpan pause = Pause(random);
            await _time.StartedAsync(pause);
            Assert.Equal(i == 0 ? [one] : [], _host.Protected[Name.ToString()]);
            _time.Advance(pause);
        }
    }

    private static TimeSpan Pause(Random random)
    {
        TimeSpan pause = TimeSpan.FromSeconds(15) * (0.8 + (0.4 * random.NextDouble()));
        return TimeSpan.FromMilliseconds((long)pause.TotalMilliseconds);
    }

    private NamedPeers Start() => new(_host, [Name], _dns, _time, Seed, NullLogger.Instance);

    /// <summary>A resolver whose answers a test gives.</summary>
    private sealed class Dns : IDnsResolver
    {
        private readonly Channel<Question> _questions = Channel.CreateUnbounded<Question>();

        public int Unread => _questions.Reader.Count;

        public async Task<Question> NextAsync() => await _questions.Reader.ReadAsync(TestContext.Current.CancellationToken);

        public Task<IReadOnlyList<IPAddress>> ResolveAsync(string host, AddressFamily family, CancellationToken cancellationToken)
        {
            var question = new Question(cancellationToken);
            _questions.Writer.TryWrite(question);
            return question.Answer.Task.WaitAsync(cancellationToken);
        }

        public Task<IReadOnlyList<string>> TextAsync(string name, CancellationToken cancellationToken) =>
            throw new IOException("no TXT records here");

        internal sealed record Question(CancellationToken Token)
        {
            public TaskCompletionSource<IReadOnlyList<IPAddress>> Answer { get; } =
                new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}
