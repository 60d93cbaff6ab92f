using System.Net;
using System.Net.Sockets;
using Ipcs.Libp2p.Identify;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Ping;
using Ipcs.Libp2p.Swarm;
using Ipcs.Multiformats;
using Ipcs.TestKit;
using static Ipcs.Libp2p.Tests.TestHost;

namespace Ipcs.Libp2p.Tests.Swarm;

/// <summary>How connections are limited, deduplicated, kept alive and restored.</summary>
public sealed class SwarmTests
{
    [Theory]
    [InlineData("mplex,yamux", "yamux", "/yamux/1.0.0")]
    [InlineData("mplex,yamux", "mplex,yamux", "/mplex/6.7.0")]
    [InlineData("yamux,mplex", "mplex,yamux", "/yamux/1.0.0")]
    public async Task The_diallers_first_common_muxer_is_selected(string ours, string theirs, string agreed)
    {
        await using Host a = await StartAsync(Options(ours));
        await using Host b = await StartAsync(Options(theirs));
        Assert.Equal(agreed, (await a.ConnectAsync(b.ListenAddresses[0], Cancel)).Muxer);
    }

    [Fact]
    public async Task IPv6_and_names_are_dialled()
    {
        await using Host a = await StartAsync(Options());
        await using Host b = await StartAsync(Options(listen: "/ip6/::1/tcp/0"));
        PeerInfo peer = await a.ConnectAsync(b.ListenAddresses[0].WithPeer(b.LocalPeer), Cancel);
        Assert.StartsWith("/ip6/::1/", peer.Address.ToString(), StringComparison.Ordinal);
        Assert.True(a.ListenAddresses[0].TryGetTcp(out _, out int port));
        await using Host c = await StartAsync(Options());
        Assert.Equal(a.LocalPeer, (await c.ConnectAsync(Multiaddr.Parse($"/dns4/localhost/tcp/{port}"), Cancel)).Peer);
    }

    [Fact]
    public async Task Simultaneous_dials_end_in_one_connection_that_both_prefer()
    {
        for (int i = 0; i < 3; i++)
        {
            await using Host a = await StartAsync(Options());
            await using Host b = await StartAsync(Options());
            await Task.WhenAll(a.ConnectAsync(b.ListenAddresses[0], Cancel), b.ConnectAsync(a.ListenAddresses[0], Cancel));
            await UntilAsync(() => a.GetStatistics().Connections == 1 && b.GetStatistics().Connections == 1);
            Assert.NotEqual(a.Peers[0].Inbound, b.Peers[0].Inbound);
            await EchoAsync(a, b.LocalPeer, Xs128.Bytes("settled", 100_000));
            await EchoAsync(b, a.LocalPeer, Xs128.Bytes("settled", 100_000));
        }
    }

    [Fact]
    public async Task Concurrent_connects_to_one_address_share_one_dial()
    {
        await using Host a = await StartAsync(Options());
        await using Host b = await StartAsync(Options());
        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => a.ConnectAsync(b.ListenAddresses[0], Cancel)));
        Assert.Equal(1, a.GetStatistics().Connections);
        Assert.Equal(1, b.GetStatistics().Connections);
    }

    [Fact]
    public async Task Connections_over_the_limit_are_refused_and_the_others_stay()
    {
        await using Host hub = await StartAsync(Options(limits: new HostLimits { MaxConnections = 2 }));
        await using Host a = await StartAsync(Options());
        await using Host b = await StartAsync(Options());
        await using Host c = await StartAsync(Options());
        await a.ConnectAsync(hub.ListenAddresses[0], Cancel);
        await b.ConnectAsync(hub.ListenAddresses[0], Cancel);
        await Assert.ThrowsAsync<ConnectException>(() => c.ConnectAsync(hub.ListenAddresses[0], Cancel));
        await UntilAsync(() => c.Peers.Count == 0);
        await EchoAsync(a, hub.LocalPeer, new byte[1000]);
        await EchoAsync(b, hub.LocalPeer, new byte[1000]);
        Assert.Equal(2, hub.GetStatistics().Connections);
    }

    [Fact]
    public async Task Streams_of_one_protocol_are_bounded_per_peer()
    {
        await using Host a = await StartAsync(Options(limits: new HostLimits { MaxInboundStreamsPerPeerAndProtocol = 3 }));
        await using Host b = await StartAsync(Options());
        await b.ConnectAsync(a.ListenAddresses[0], Cancel);
        var open = new List<PeerStream>();
        for (int i = 0; i < 3; i++)
        {
            PeerStream stream = await b.OpenStreamAsync(a.LocalPeer, [Echo], Cancel);
            await stream.WriteAsync(new byte[1], Cancel);
            Assert.Equal(1, await stream.ReadAsync(new byte[1], Cancel));
            open.Add(stream);
        }

        await using PeerStream fourth = await b.OpenStreamAsync(a.LocalPeer, [Echo], Cancel);
        await Assert.ThrowsAsync<StreamResetException>(async () => await fourth.ReadAsync(new byte[1], Cancel));
        await b.PingAsync(a.LocalPeer, Cancel);
        await open[0].DisposeAsync();

        // Until the other side has seen the end of that stream, a new one is over the limit.
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(20));
        while (true)
        {
            try
            {
                await EchoAsync(b, a.LocalPeer, new byte[10]);
                break;
            }
            catch (StreamResetException) when (!limit.IsCancellationRequested)
            {
                await Task.Delay(10, limit.Token);
            }
        }
    }

    [Fact]
    public async Task Peers_and_networks_that_are_not_allowed_are_refused()
    {
        KeyPair friend = KeyPair.Generate(), foe = KeyPair.Generate();
        await using Host open = await StartAsync(Options());
        await using Host picky = await StartAsync(Options(filter: new PeerFilter([friend.PeerId.ToString()], [])));
        await using Host hermit = await StartAsync(Options(filter: new PeerFilter([], ["127.0.0.0/8"])));
        await using Host wary = await StartAsync(Options(filter: new PeerFilter([], [foe.PeerId.ToString()])));
        await using Host good = await StartAsync(Options(key: friend));
        await using Host bad = await StartAsync(Options(key: foe));
        await good.ConnectAsync(picky.ListenAddresses[0], Cancel);
        await EchoAsync(good, picky.LocalPeer, new byte[10]);
        await good.ConnectAsync(wary.ListenAddresses[0], Cancel);
        await RefusedAsync(bad, picky);
        await RefusedAsync(bad, wary);
        await RefusedAsync(good, hermit);
        await Assert.ThrowsAsync<ConnectException>(() => hermit.ConnectAsync(open.ListenAddresses[0], Cancel));
        await Assert.ThrowsAsync<ConnectException>(() => wary.ConnectAsync(bad.ListenAddresses[0], Cancel));
        Assert.Throws<FormatException>(() => new PeerFilter(["nonsense"], []));
    }

    [Fact]
    public async Task An_address_that_has_just_failed_fails_at_once_unless_forced()
    {
        await using Host a = await StartAsync(Options());
        Multiaddr nobody = Multiaddr.Parse($"/ip4/127.0.0.1/tcp/{FreePort()}");
        await Assert.ThrowsAsync<ConnectException>(() => a.ConnectAsync(nobody, Cancel));
        await Assert.ThrowsAsync<ConnectException>(() => a.ConnectAsync(nobody, Cancel));
        ConnectException e = await Assert.ThrowsAsync<ConnectException>(() => a.ConnectAsync(nobody, Cancel));
        Assert.Contains("not tried again", e.Message, StringComparison.Ordinal);
        e = await Assert.ThrowsAsync<ConnectException>(() => a.ConnectAsync(nobody, force: true, Cancel));
        Assert.Contains("refused", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_configured_peer_is_dialled_again_when_it_comes_back()
    {
        KeyPair key = KeyPair.Generate();
        int port = FreePort();
        Multiaddr address = Multiaddr.Parse($"/ip4/127.0.0.1/tcp/{port}");
        await using Host a = await StartAsync(Options(peers: [address]));
        for (int i = 0; i < 2; i++)
        {
            Host b = await StartAsync(Options(key: key, listen: address.ToString()));
            await UntilAsync(() => a.Peers.Count == 1 && a.Peers[0].Peer == key.PeerId);
            await b.DisposeAsync();
            await UntilAsync(() => a.Peers.Count == 0);
        }
    }

    [Fact]
    public async Task A_peer_that_stops_answering_is_disconnected()
    {
        await using Host a = await StartAsync(
            Options(pingInterval: TimeSpan.FromMilliseconds(200), pingTime: TimeSpan.FromMilliseconds(500)));
        await using Host b = await StartAsync(Options());
        await using var relay = new SilentRelay(b.ListenAddresses[0]);
        await a.ConnectAsync(relay.Address, Cancel);
        await UntilAsync(() => a.Peers is [{ Latency: not null }]);
        relay.Silence();
        await UntilAsync(() => a.Peers.Count == 0);
    }

    [Fact]
    public async Task New_protocols_are_pushed_to_connected_peers()
    {
        await using Host a = await StartAsync(Options());
        await using Host b = await StartAsync(Options());
        await a.ConnectAsync(b.ListenAddresses[0], Cancel);
        await UntilAsync(() => b.Peers is [{ Protocols.Count: > 0 }]);
        a.Handle("/new/1.0.0", (_, _) => Task.CompletedTask);
        await UntilAsync(() => b.Peers[0].Protocols.Contains("/new/1.0.0"));
        Assert.Equal(a.ListenAddresses, b.Peers[0].ListenAddresses);
    }

    [Fact]
    public async Task Addresses_that_enough_peers_observe_are_announced()
    {
        var observed = new ObservedAddresses();
        Multiaddr seen = Multiaddr.Parse("/ip4/203.0.113.7/tcp/5555");
        for (int i = 1; i < 4; i++)
        {
            Assert.False(observed.Add(seen, IPAddress.Parse("198.51.100.1")));
            Assert.False(observed.Add(seen, IPAddress.Parse($"198.51.100.{i}")));
        }

        Assert.Empty(observed.Confirmed);
        Assert.True(observed.Add(seen, IPAddress.Parse("198.51.100.4")));
        Assert.Equal([IPAddress.Parse("203.0.113.7")], observed.Confirmed);
        await using Host any = await StartAsync(Options(listen: "/ip4/0.0.0.0/tcp/0"));
        Assert.DoesNotContain(any.AnnounceAddresses, a => a.ToString().Contains("0.0.0.0", StringComparison.Ordinal));
        Assert.Contains(any.AnnounceAddresses, a => a.ToString().StartsWith("/ip4/127.0.0.1/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_closed_host_has_no_connections_streams_or_tasks()
    {
        Host a = await StartAsync(Options());
        await using Host b = await StartAsync(Options());
        await b.ConnectAsync(a.ListenAddresses[0], Cancel);
        await using PeerStream stream = await b.OpenStreamAsync(a.LocalPeer, [Echo], Cancel);
        await stream.WriteAsync(new byte[10], Cancel);
        await a.DisposeAsync();
        Assert.Equal(default, a.GetStatistics() with { BytesReceived = 0, BytesSent = 0 });
        await UntilAsync(() => b.GetStatistics() is { Connections: 0, Streams: 0, BufferedBytes: 0 });
    }

    private static async Task RefusedAsync(Host dialler, Host listener)
    {
        await Assert.ThrowsAsync<ConnectException>(() => dialler.ConnectAsync(listener.ListenAddresses[0], Cancel));
        await UntilAsync(() => dialler.Peers.All(p => p.Peer != listener.LocalPeer));
        Assert.DoesNotContain(listener.Peers, p => p.Peer == dialler.LocalPeer);
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
