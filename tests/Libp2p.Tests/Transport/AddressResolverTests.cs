using System.Net;
using System.Net.Sockets;
using Ipcs.Libp2p.Dns;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Tests.Transport;

/// <summary>The end points of addresses, through names and <c>/dnsaddr</c> records.</summary>
public sealed class AddressResolverTests
{
    private static readonly string One = KeyPair.FromSeed(new byte[32]).PeerId.ToString();
    private static readonly string Two = KeyPair.Generate().PeerId.ToString();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/ip4/1.2.3.4/tcp/1", true)]
    [InlineData("/dns/a.example/tcp/1", true)]
    [InlineData("/dnsaddr/a.example", true)]
    [InlineData("/ip4/1.2.3.4/tcp/0", false)]
    [InlineData("/ip4/1.2.3.4/udp/1", false)]
    [InlineData("/dnsaddr/a.example/tcp/1", false)]
    public void Addresses_that_can_be_dialled_are_known(
        string address, bool can) => Assert.Equal(can, AddressResolver.CanDial(Multiaddr.Parse(address)));

    [Fact]
    public async Task Records_are_followed_and_other_peers_left_out()
    {
        var dns = new FakeDns
        {
            ["_dnsaddr.fleet.example"] =
            [
                $"dnsaddr=/ip4/10.0.0.1/tcp/4001/p2p/{One}", $"dnsaddr=/dns4/host/tcp/4002/p2p/{Two}",
                "v=spf1", "dnsaddr=nonsense", "dnsaddr=/dnsaddr/more.example",
            ],
            ["_dnsaddr.more.example"] = [$"dnsaddr=/ip6/fd00::1/tcp/4003/p2p/{One}"],
        };
        var resolver = new AddressResolver(dns);
        IReadOnlyList<DialTarget> all = await resolver.ResolveAsync(Multiaddr.Parse("/dnsaddr/fleet.example"), Cancel);
        Assert.Equal(["10.0.0.1:4001", "192.0.2.1:4002", "[fd00::1]:4003"], all.Select(t => t.EndPoint.ToString()));
        IReadOnlyList<DialTarget> one = await resolver.ResolveAsync(Multiaddr.Parse($"/dnsaddr/fleet.example/p2p/{One}"), Cancel);
        Assert.Equal(["10.0.0.1:4001", "[fd00::1]:4003"], one.Select(t => t.EndPoint.ToString()));
        Assert.All(one, t => Assert.Equal(One, t.Peer.ToString()));
        await Assert.ThrowsAsync<IOException>(() => resolver.ResolveAsync(Multiaddr.Parse("/dnsaddr/nobody.example"), Cancel));
    }

    [Fact]
    public async Task Records_that_point_at_themselves_are_followed_a_bounded_number_of_times()
    {
        var dns = new FakeDns { ["_dnsaddr.loop.example"] = [.. Enumerable.Repeat("dnsaddr=/dnsaddr/loop.example", 40)] };
        var resolver = new AddressResolver(dns);
        await Assert.ThrowsAsync<IOException>(() => resolver.ResolveAsync(Multiaddr.Parse("/dnsaddr/loop.example"), Cancel));
        Assert.InRange(dns.Lookups, 1, 16);
    }

    private sealed class FakeDns : Dictionary<string, string[]>, IDnsResolver
    {
        public int Lookups { get; private set; }

        public Task<IReadOnlyList<IPAddress>> ResolveAsync(string host, AddressFamily family, CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<IPAddress>>([IPAddress.Parse("192.0.2.1")]);

        public Task<IReadOnlyList<string>> TextAsync(string name, CancellationToken cancellationToken)
        {
            Lookups++;
            return Task.FromResult<IReadOnlyList<string>>(TryGetValue(name, out string[]? texts) ? texts : []);
        }
    }
}
