using System.Net;
using System.Net.Sockets;
using Ipcs.Libp2p.Dns;
using Ipcs.Libp2p.Swarm;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;
using static Ipcs.Libp2p.Tests.TestHost;

namespace Ipcs.Libp2p.Tests.Swarm;

/// <summary>Dials of names: through a DNS server of the test, and past addresses that don't answer.</summary>
public sealed class NameTests
{
    [Fact]
    public async Task A_peer_is_reached_through_text_records()
    {
        await using Host a = await StartAsync(Options());
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        server.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var endPoint = (IPEndPoint)server.LocalEndPoint!;
        await using Host b = await StartAsync(Options(dns: new SystemDnsResolver(TimeProvider.System, () => [endPoint])));
        Task answering = AnswerAsync(server, new Dictionary<string, string[]>(StringComparer.Ordinal)
        {
            ["_dnsaddr.fleet.test"] = ["v=spf1", "dnsaddr=/dnsaddr/rack.fleet.test"],
            ["_dnsaddr.rack.fleet.test"] =
            [
                $"dnsaddr=/ip4/127.0.0.1/tcp/{ClosedPort()}/p2p/{a.LocalPeer}",
                $"dnsaddr={a.ListenAddresses[0]}/p2p/{a.LocalPeer}",
            ],
        });
        PeerInfo found = await b.ConnectAsync(Multiaddr.Parse("/dnsaddr/fleet.test"), Cancel);
        Assert.Equal(a.LocalPeer, found.Peer);
        await EchoAsync(b, a.LocalPeer, new byte[1000]);
        Multiaddr nobody = Multiaddr.Parse("/dnsaddr/nobody.test");
        ConnectException none = await Assert.ThrowsAsync<ConnectException>(() => b.ConnectAsync(nobody, Cancel));
        Assert.Contains("resolves to no TCP address", none.Message, StringComparison.Ordinal);
        server.Close();
        await answering;
    }

    [Fact]
    public async Task All_addresses_of_a_name_are_tried()
    {
        await using Host a = await StartAsync(Options());
        Assert.True(a.ListenAddresses[0].TryGetTcp(out _, out int port));

        // Nothing listens at the first two addresses, and the second one does not answer at all.
        var dns = new Addresses([IPAddress.IPv6Loopback, IPAddress.Parse("192.0.2.1"), IPAddress.Loopback]);
        await using Host b = await StartAsync(Options(dns: dns));
        PeerInfo found = await b.ConnectAsync(Multiaddr.Parse($"/dns/headless.fleet.test/tcp/{port}/p2p/{a.LocalPeer}"), Cancel);
        Assert.Equal(a.LocalPeer, found.Peer);
        Assert.Equal(1, b.GetStatistics().Connections);
    }

    /// <summary>A port that nothing listens on.</summary>
    private static int ClosedPort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    /// <summary>Answers TXT queries until the socket is closed; unknown names don't exist.</summary>
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
            // The test has closed the socket.
        }
    }

    private sealed class Addresses(IReadOnlyList<IPAddress> addresses) : IDnsResolver
    {
        public Task<IReadOnlyList<IPAddress>> ResolveAsync(string host, AddressFamily family, CancellationToken cancellationToken) =>
            Task.FromResult(addresses);

        public Task<IReadOnlyList<string>> TextAsync(string name, CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<string>>([]);
    }
}
