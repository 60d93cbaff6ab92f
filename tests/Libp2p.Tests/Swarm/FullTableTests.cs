using System.Net;
using System.Net.Sockets;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Swarm;
using Ipcs.Multiformats;
using static Ipcs.Libp2p.Tests.TestHost;

namespace Ipcs.Libp2p.Tests.Swarm;

/// <summary>What a host does whose table of connections is full of strangers.</summary>
public sealed class FullTableTests
{
    private const int Most = 60;

    private static readonly HostLimits Limits = new() { MaxConnections = Most };

    [Fact]
    public async Task A_configured_peer_is_dialled_when_strangers_fill_the_table()
    {
        KeyPair key = KeyPair.Generate();
        int port = FreePort();
        Multiaddr address = Multiaddr.Parse($"/ip4/127.0.0.1/tcp/{port}");
        await using Host hub = await StartAsync(Options(limits: Limits, peers: [address]));
        await using var strangers = new Strangers();
        await strangers.ConnectAsync(hub, Most);
        await using Host friend = await StartAsync(Options(key: key, listen: address.ToString()));
        await UntilAsync(() => hub.Peers.Any(p => p.Peer == key.PeerId));
        await EchoAsync(hub, key.PeerId, new byte[1000]);

        // More strangers do not displace it, however old its connection is.
        await strangers.ConnectAsync(hub, Most);
        await EchoAsync(hub, key.PeerId, new byte[1000]);
        Assert.InRange(hub.GetStatistics().Connections, 1, Most);
    }

    [Fact]
    public async Task A_configured_peer_may_connect_when_strangers_fill_the_table()
    {
        KeyPair key = KeyPair.Generate();
        Multiaddr nobody = Multiaddr.Parse($"/ip4/127.0.0.1/tcp/{FreePort()}").WithPeer(key.PeerId);
        await using Host hub = await StartAsync(Options(limits: Limits, peers: [nobody]));
        await using var strangers = new Strangers();
        await strangers.ConnectAsync(hub, Most);
        await using Host friend = await StartAsync(Options(key: key));
        await friend.ConnectAsync(hub.ListenAddresses[0], Cancel);
        await EchoAsync(friend, hub.LocalPeer, new byte[1000]);
    }

    [Fact]
    public async Task Own_dials_succeed_when_strangers_fill_the_table()
    {
        await using Host hub = await StartAsync(Options(limits: Limits));
        await using var strangers = new Strangers();
        await strangers.ConnectAsync(hub, Most);
        var others = new List<Host>();
        for (int i = 0; i < 10; i++)
        {
            others.Add(await StartAsync(Options()));
            await hub.ConnectAsync(others[i].ListenAddresses[0], Cancel);
        }

        foreach (Host other in others)
        {
            await EchoAsync(hub, other.LocalPeer, new byte[100]);
            await other.DisposeAsync();
        }
    }

    [Theory]
    [InlineData("mplex")]
    [InlineData("yamux")]
    public async Task A_peer_that_is_refused_is_told_so_and_not_that_it_is_connected(string muxer)
    {
        await using Host hub = await StartAsync(Options(muxer, limits: new HostLimits { MaxConnections = 2 }));
        await using var strangers = new Strangers();
        Assert.Equal(2, await strangers.ConnectAsync(hub, 2));
        await using Host late = await StartAsync(Options(muxer));
        for (int i = 0; i < 5; i++)
        {
            ConnectException e = await Assert.ThrowsAsync<ConnectException>(
                () => late.ConnectAsync(hub.ListenAddresses[0], force: true, Cancel));
            Assert.Contains(hub.LocalPeer.ToString(), e.Message, StringComparison.Ordinal);
        }

        // Without force its address is left alone for a while, like any other that can't be dialled.
        ConnectException pause = await Assert.ThrowsAsync<ConnectException>(() => late.ConnectAsync(hub.ListenAddresses[0], Cancel));
        Assert.Contains("not tried again", pause.Message, StringComparison.Ordinal);
        Assert.Equal(5, late.GetStatistics().FailedDials);
    }

    [Fact]
    public async Task A_stranger_that_was_closed_may_come_back_when_there_is_room()
    {
        // The grace period is over at once: whoever comes to a full table makes room for itself, down to the low mark.
        await using Host hub = await StartAsync(Options(limits: new HostLimits { MaxConnections = 8 }, graceTime: TimeSpan.Zero));
        await using var strangers = new Strangers();
        Assert.Equal(7, await strangers.ConnectAsync(hub, 7));
        Assert.Equal(1, await strangers.ConnectAsync(hub, 1));
        await UntilAsync(() => hub.GetStatistics().ClosedForRoom > 0 && strangers.Connected == hub.GetStatistics().Connections);
        Assert.Equal(7 + 1 - hub.GetStatistics().ClosedForRoom, strangers.Connected);
        Host closed = strangers.First(connected: false);
        Host other = strangers.First(connected: true);
        await other.DisconnectAsync(hub.LocalPeer);
        await closed.ConnectAsync(hub.ListenAddresses[0], Cancel);
        await EchoAsync(closed, hub.LocalPeer, new byte[1000]);
    }

    [Fact]
    public async Task A_peer_that_gave_what_was_asked_for_is_kept_before_others()
    {
        await using Host hub = await StartAsync(Options(limits: new HostLimits { MaxConnections = 8 }, graceTime: TimeSpan.Zero));
        await using Host good = await StartAsync(Options());
        await good.ConnectAsync(hub.ListenAddresses[0], Cancel);
        hub.Credit(good.LocalPeer);
        await using var strangers = new Strangers();
        await strangers.ConnectAsync(hub, 30);
        await EchoAsync(good, hub.LocalPeer, new byte[1000]);
    }

    [Fact]
    public async Task The_end_of_a_connection_that_was_closed_for_room_is_reported_once()
    {
        await using Host hub = await StartAsync(Options(limits: new HostLimits { MaxConnections = 8 }, graceTime: TimeSpan.Zero));
        int gone = 0;
        hub.PeerDisconnected += _ => Interlocked.Increment(ref gone);
        await using var strangers = new Strangers();
        await strangers.ConnectAsync(hub, 30);
        await UntilAsync(() => strangers.Connected == hub.GetStatistics().Connections);
        await UntilAsync(() => Volatile.Read(ref gone) == hub.GetStatistics().ClosedForRoom);
        Assert.Equal(30, hub.GetStatistics().Connections + hub.GetStatistics().ClosedForRoom);
    }

    [Fact]
    public async Task A_fleet_behind_one_address_connects_while_there_is_room()
    {
        await using Host hub = await StartAsync(Options(limits: Limits));
        await using var fleet = new Strangers();
        Assert.Equal(52, await fleet.ConnectAsync(hub, 52));
        Assert.Equal(52, hub.GetStatistics().Connections);
        Assert.Equal(0, hub.GetStatistics().ClosedForRoom);
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    /// <summary>Hosts that connect to another one and stay.</summary>
    private sealed class Strangers : IAsyncDisposable
    {
        private readonly List<Host> _hosts = [];

        public int Connected => _hosts.Count(h => h.Peers.Count > 0);

        public Host First(bool connected) => _hosts.First(h => h.Peers.Count > 0 == connected);

        /// <summary>Starts hosts that connect, and returns how many were told that they are connected.</summary>
        public async Task<int> ConnectAsync(Host hub, int count)
        {
            int connected = 0;
            for (int i = 0; i < count; i++)
            {
                Host host = await StartAsync(Options("mplex,yamux"));
                _hosts.Add(host);
                try
                {
                    await host.ConnectAsync(hub.ListenAddresses[0], Cancel);
                    connected++;
                }
                catch (ConnectException)
                {
                    // The hub has no room.
                }
            }

            return connected;
        }

        public async ValueTask DisposeAsync()
        {
            foreach (Host host in _hosts)
            {
                await host.DisposeAsync();
            }
        }
    }
}
