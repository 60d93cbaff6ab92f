using System.Net;
using Ipcs.Libp2p.Discovery;
using Ipcs.Libp2p.Discovery.Mdns;
using Ipcs.Libp2p.Dns;
using Ipcs.Libp2p.Identity;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Tests.Discovery;

public sealed class MdnsCoreTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly PeerId Self = Peer(0);
    private static readonly DnsMessage Question = new() { Questions = [new DnsQuestion(MdnsCore.Service, DnsType.Ptr)] };

    [Fact]
    public void Queries_are_sent_soon_and_then_at_growing_intervals()
    {
        MdnsCore core = Core();
        var asked = new List<DateTimeOffset>();
        while (asked.Count < 8)
        {
            DateTimeOffset now = core.NextTick;
            Assert.Equal(MdnsCore.Service, Assert.Single(Assert.Single(core.Tick(now).Send).Questions).Name);
            asked.Add(now);
        }

        Assert.InRange(asked[0] - Start, TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(120));
        TimeSpan[] pauses = [.. asked.Zip(asked.Skip(1), (a, b) => b - a)];
        Assert.InRange(pauses[0], TimeSpan.FromMilliseconds(800), TimeSpan.FromMilliseconds(1200));
        Assert.InRange(pauses[^1], TimeSpan.FromSeconds(48), TimeSpan.FromSeconds(72));
    }

    [Fact]
    public void Seven_queries_get_one_answer_after_a_jitter()
    {
        MdnsCore core = Core();
        core.Tick(core.NextTick);
        DateTimeOffset now = Start.AddMilliseconds(200);
        for (int i = 0; i < 7; i++)
        {
            Assert.Empty(core.Receive(now, Question).Send);
        }

        Assert.InRange(core.NextTick - now, TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(120));
        DateTimeOffset answered = core.NextTick;
        DnsMessage answer = Assert.Single(core.Tick(answered).Send);
        Assert.True(DnsMessage.TryDecode(answer.Encode(), out DnsMessage? read));
        DnsRecord pointer = Assert.Single(read!.Answers), text = Assert.Single(read.Additionals);
        Assert.Equal((MdnsCore.Service, pointer.Target()), (pointer.Name, text.Name));
        Assert.Equal([$"dnsaddr=/ip4/10.0.0.1/tcp/4001/p2p/{Self}"], text.Strings());
        Assert.DoesNotContain(Self.ToString(), text.Name, StringComparison.OrdinalIgnoreCase);

        // The next answer is sent at least a second later.
        core.Receive(answered, Question);
        Assert.DoesNotContain(core.Tick(answered.AddMilliseconds(999)).Send, m => m.IsResponse);
        Assert.Single(core.Tick(answered.AddSeconds(1)).Send, m => m.IsResponse);
    }

    [Fact]
    public void Queries_for_other_services_are_not_answered()
    {
        MdnsCore core = Core();
        core.Tick(core.NextTick);
        DateTimeOffset next = core.NextTick;
        core.Receive(Start, new DnsMessage
        {
            Questions = [new DnsQuestion("_http._tcp.local", DnsType.Ptr), new DnsQuestion(MdnsCore.Service, DnsType.A)],
        });
        Assert.Equal(next, core.NextTick);
    }

    [Fact]
    public void A_peer_is_reported_at_most_every_30_seconds()
    {
        MdnsCore core = Core();
        FoundPeer found = Assert.Single(core.Receive(Start, Answer(Peer(1), "/ip4/10.0.0.2/tcp/4001", "/ip6/fd00::2/tcp/4001")).Found);
        Assert.Equal(Peer(1), found.Peer);
        Assert.Equal(["/ip4/10.0.0.2/tcp/4001", "/ip6/fd00::2/tcp/4001"], found.Addresses.Select(a => a.ToString()));
        Assert.Empty(core.Receive(Start.AddSeconds(29), Answer(Peer(1), "/ip4/10.0.0.2/tcp/4001")).Found);
        Assert.Single(core.Receive(Start.AddSeconds(31), Answer(Peer(1), "/ip4/10.0.0.2/tcp/4001")).Found);
    }

    [Fact]
    public void The_own_answer_and_addresses_that_can_not_be_dialled_are_ignored()
    {
        MdnsCore core = Core();
        Assert.Empty(core.Receive(Start, Answer(Self, "/ip4/10.0.0.2/tcp/4001")).Found);
        string[] unreachable =
            ["/ip4/0.0.0.0/tcp/4001", "/ip4/127.0.0.1/tcp/4001", "/ip4/10.0.0.2/udp/4001/quic-v1", "/dns4/evil.example/tcp/80"];
        Assert.Empty(core.Receive(Start, Answer(Peer(1), unreachable)).Found);
        Assert.Empty(core.Receive(Start, Text("x." + MdnsCore.Service, "dnsaddr=/ip4/10.0.0.2/tcp/1", "dnsaddr=", "peer")).Found);
        Assert.Empty(core.Receive(Start, Text("x._http._tcp.local", $"dnsaddr=/ip4/10.0.0.2/tcp/1/p2p/{Peer(1)}")).Found);

        static DnsMessage Text(
            string name, params string[] texts) => new() { Flags = 0x8400, Answers = [DnsRecord.Text(name, 120, texts)] };
    }

    [Fact]
    public void A_flood_of_identities_is_bounded()
    {
        MdnsCore core = Core();
        int found = 0;
        for (int i = 1; i <= MdnsCore.MaxPeers + 500; i++)
        {
            PeerId peer = PeerId.FromPublicKey([8, 1, 18, 32, .. BitConverter.GetBytes(i), .. new byte[28]]);
            found += core.Receive(Start, Answer(peer, "/ip4/10.0.0.2/tcp/4001")).Found.Count;
        }

        Assert.Equal(MdnsCore.MaxPeers, found);
        Assert.Single(core.Receive(Start.AddMinutes(1), Answer(Peer(9), "/ip4/10.0.0.2/tcp/4001")).Found);
    }

    [Fact]
    public void The_any_address_expands_to_those_of_the_interfaces()
    {
        IPAddress[] interfaces = [IPAddress.Loopback, IPAddress.Parse("10.1.2.3"), IPAddress.Parse("fe80::1"), IPAddress.Parse("fd00::1")];
        Assert.Equal(["/ip4/10.1.2.3/tcp/4001"], Expand("/ip4/0.0.0.0/tcp/4001"));
        Assert.Equal(
            ["/ip4/10.1.2.3/tcp/4001", "/ip6/fd00::1/tcp/5"],
            Expand("/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/5", "/ip4/127.0.0.1/tcp/6"));
        Assert.Equal(["/ip4/127.0.0.1/tcp/6"], Expand("/ip4/127.0.0.1/tcp/6"));

        IEnumerable<string> Expand(params string[] listening) =>
            InterfaceAddresses.Expand([.. listening.Select(Multiaddr.Parse)], interfaces).Select(a => a.ToString());
    }

    [Theory]
    [InlineData("/ip4/127.0.0.1/tcp/1", NetworkScope.Loopback)]
    [InlineData("/ip6/::1/tcp/1", NetworkScope.Loopback)]
    [InlineData("/ip4/10.0.0.1/tcp/1", NetworkScope.Private)]
    [InlineData("/ip4/172.31.0.1/tcp/1", NetworkScope.Private)]
    [InlineData("/ip4/172.32.0.1/tcp/1", NetworkScope.Public)]
    [InlineData("/ip4/100.64.0.1/tcp/1", NetworkScope.Private)]
    [InlineData("/ip4/169.254.0.1/tcp/1", NetworkScope.Private)]
    [InlineData("/ip6/fd12::1/tcp/1", NetworkScope.Private)]
    [InlineData("/ip6/2001:db8::1/tcp/1", NetworkScope.Public)]
    [InlineData("/ip6/::ffff:10.0.0.1/tcp/1", NetworkScope.Private)]
    [InlineData("/ip4/0.0.0.0/tcp/1", NetworkScope.None)]
    [InlineData("/ip4/224.0.0.1/tcp/1", NetworkScope.None)]
    [InlineData("/ip4/10.0.0.1/tcp/0", NetworkScope.None)]
    [InlineData("/ip4/10.0.0.1/udp/1", NetworkScope.None)]
    [InlineData("/dns4/example.com/tcp/1", NetworkScope.Name)]
    public void The_scope_of_an_address_is_known(
        string address, NetworkScope scope) => Assert.Equal(scope, Multiaddr.Parse(address).ScopeOf());

    private static MdnsCore Core() => new(Start, Self, () => [Multiaddr.Parse("/ip4/10.0.0.1/tcp/4001")], new Random(1));

    private static PeerId Peer(byte n) => KeyPair.FromSeed([.. Enumerable.Repeat(n, 32)]).PeerId;

    private static DnsMessage Answer(PeerId peer, params string[] addresses) => new()
    {
        Flags = 0x8400,
        Answers = [DnsRecord.Pointer(MdnsCore.Service, 120, "x." + MdnsCore.Service)],
        Additionals = [DnsRecord.Text("x." + MdnsCore.Service, 120, addresses.Select(a => $"dnsaddr={a}/p2p/{peer}"))],
    };
}
