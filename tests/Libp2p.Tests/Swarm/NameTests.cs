using System.Net;
using System.Net.Sockets;
using Ipcs.Libp2p.Dns;
using Ipcs.Libp2p.Swarm;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;
using static Ipcs.Libp2p.Tests.TestHost;

namespace Ipcs.Libp2p.Tests.Swarm;

/// <summary>Names are dialled all the way: through a DNS server of the test's own, and past addresses at which nobody is.</summary>
public sealed class NameTests
{
    [Fact]
    public async Task APeerIsReachedThroughTextRecords()
    {
        await using Host a = await StartAsync(Options());
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        server.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var endPoint = (IPEndPoint)server.LocalEndPoint!;
        await using Host b = await StartAsync(Options(dns: new SystemDnsResolver(() => [endPoint])));
        Task answering = AnswerAsync(server, new Dictionary<string, string[]>(StringComparer.Ordinal)
        {
            ["_dnsaddr.fleet.test"] = ["v=spf1", "dnsaddr=/dnsaddr/rack.fleet.test"],
            ["_dnsaddr.rack.fleet.test"] = [$"dnsaddr=/ip4/127.0.0.1/tcp/{ClosedPort()}/p2p/{a.LocalPeer}", $"dnsaddr={a.ListenAddresses[0]}/p2p/{a.LocalPeer}"],
        });
        PeerInfo found = await b.ConnectAsync(Multiaddr.Parse("/dnsaddr/fleet.test"), Cancel);
        Assert.Equal(a.LocalPeer, found.Peer);
        await EchoAsync(b, a.LocalPeer, new byte[1000]);
        ConnectException none = await Assert.ThrowsAsync<ConnectException>(() => b.ConnectAsync(Multiaddr.Parse("/dnsaddr/nobody.test"), Cancel));
        Assert.Contains("stands for no TCP address", none.Message, StringComparison.Ordinal);
        server.Close();
        await answering;
    }

    [Fact]
    public async Task AllAddressesOfANameAreTried()
    {
        await using Host a = await StartAsync(Options());
        Assert.True(a.ListenAddresses[0].TryGetTcp(out _, out int port));

        // Nobody listens at the first two; of the second no answer of any kind comes.
        var dns = new Addresses([IPAddress.IPv6Loopback, IPAddress.Parse("192.0.2.1"), IPAddress.Loopback]);
        await using Host b = await StartAsync(Options(dns: dns));
        PeerInfo found = await b.ConnectAsync(Multiaddr.Parse($"/dns/headless.fleet.test/tcp/{port}/p2p/{a.LocalPeer}"), Cancel);
        Assert.Equal(a.LocalPeer, found.Peer);
        Assert.Equal(1, b.GetStatistics().Connections);
    }

    /// <summary>A port that was free a moment ago.</summary>
    private static int ClosedPort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    /// <summary>Answers for TXT records until the socket is closed; a name that it does not have does not exist.</summary>
    private static async Task AnswerAsync(Socket server, Dictionary<string, string[]> texts)
    {
        byte[] buffer = new byte[512];
        try
        {
            while (true)
            {
                SocketReceiveFromResult got = await server.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0), Cancel);
                Assert.True(DnsMessage.TryDecode(buffer.AsSpan(0, got.ReceivedBytes), out DnsMessage? question));
                string name = Assert.Single(question!.Questions).Name;
                string[]? known = texts.GetValueOrDefault(name);
                var answer = new DnsMessage
                {
                    Id = question.Id,
                    Flags = (ushort)(known is null ? 0x8183 : 0x8180),
                    Questions = question.Questions,
                    Answers = [.. (known ?? []).Select(t => DnsRecord.Text(name, 60, [t]))],
                };
                await server.SendToAsync(answer.Encode(), got.RemoteEndPoint, Cancel);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It was closed.
        }
    }

    private sealed class Addresses(IReadOnlyList<IPAddress> addresses) : IDnsResolver
    {
        public Task<IReadOnlyList<IPAddress>> ResolveAsync(string host, AddressFamily family, CancellationToken cancellationToken) => Task.FromResult(addresses);

        public Task<IReadOnlyList<string>> TextAsync(string name, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<string>>([]);
    }
}
