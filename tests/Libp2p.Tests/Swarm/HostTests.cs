using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Ping;
using Ipcs.Libp2p.Swarm;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Libp2p.Tests.Swarm;

/// <summary>Two hosts on loopback, with each muxer.</summary>
public sealed class HostTests
{
    private const string Echo = TestHost.Echo;

    private static CancellationToken Cancel => TestHost.Cancel;

    [Theory]
    [InlineData("mplex")]
    [InlineData("yamux")]
    public async Task Peers_identify_and_ping_each_other(string muxer)
    {
        await using Host a = await StartAsync(muxer);
        await using Host b = await StartAsync(muxer);
        PeerInfo peer = await a.ConnectAsync(b.ListenAddresses[0].WithPeer(b.LocalPeer), Cancel);
        Assert.Equal(b.LocalPeer, peer.Peer);
        Assert.Contains(PingProtocol.Name, peer.Protocols);
        Assert.Contains(muxer, peer.Muxer, StringComparison.Ordinal);
        Assert.True(await a.PingAsync(b.LocalPeer, Cancel) < TimeSpan.FromSeconds(5));
        Assert.True(await b.PingAsync(a.LocalPeer, Cancel) < TimeSpan.FromSeconds(5));
    }

    [Theory]
    [InlineData("mplex", 0)]
    [InlineData("mplex", 1)]
    [InlineData("mplex", 33_554_432)]
    [InlineData("yamux", 0)]
    [InlineData("yamux", 1)]
    [InlineData("yamux", 33_554_432)]
    public async Task Bytes_are_echoed_unchanged(string muxer, int size)
    {
        await using Host a = await StartAsync(muxer);
        await using Host b = await StartAsync(muxer);
        await a.ConnectAsync(b.ListenAddresses[0], Cancel);
        await EchoAsync(a, b.LocalPeer, Xs128.Bytes("echo", size));
    }

    [Theory]
    [InlineData("mplex")]
    [InlineData("yamux")]
    public async Task Sixty_four_streams_run_at_once(string muxer)
    {
        await using Host a = await StartAsync(muxer);
        await using Host b = await StartAsync(muxer);
        await a.ConnectAsync(b.ListenAddresses[0], Cancel);
        await Task.WhenAll(Enumerable.Range(0, 64).Select(i =>
        {
            (Host from, Host to) = i % 2 == 0 ? (a, b) : (b, a);
            return EchoAsync(from, to.LocalPeer, Xs128.Bytes($"{i}", 300_000));
        }));
    }

    [Fact]
    public async Task Another_identity_is_refused()
    {
        await using Host a = await StartAsync("yamux");
        await using Host b = await StartAsync("yamux");
        Multiaddr wrong = b.ListenAddresses[0].WithPeer(KeyPair.Generate().PeerId);
        ConnectException e = await Assert.ThrowsAsync<ConnectException>(() => a.ConnectAsync(wrong, Cancel));
        Assert.Contains(b.LocalPeer.ToString(), e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_protocol_is_an_error_and_the_connection_stays()
    {
        await using Host a = await StartAsync("yamux");
        await using Host b = await StartAsync("yamux");
        await a.ConnectAsync(b.ListenAddresses[0], Cancel);
        await Assert.ThrowsAsync<ConnectException>(async () => await a.OpenStreamAsync(b.LocalPeer, ["/nobody/1.0.0"], Cancel));
        await EchoAsync(a, b.LocalPeer, new byte[10]);
    }

    [Theory]
    [InlineData("mplex")]
    [InlineData("yamux")]
    public async Task A_disconnect_is_seen_by_both_sides_and_ends_the_streams(string muxer)
    {
        await using Host a = await StartAsync(muxer);
        await using Host b = await StartAsync(muxer);
        var gone = new TaskCompletionSource<PeerId>(TaskCreationOptions.RunContinuationsAsynchronously);
        b.PeerDisconnected += p => gone.TrySetResult(p);
        await a.ConnectAsync(b.ListenAddresses[0], Cancel);
        await using PeerStream stream = await a.OpenStreamAsync(b.LocalPeer, [Echo], Cancel);
        Assert.True(await a.DisconnectAsync(b.LocalPeer));
        await Assert.ThrowsAsync<StreamResetException>(async () => await stream.ReadAsync(new byte[1], Cancel));
        Assert.Equal(a.LocalPeer, await gone.Task.WaitAsync(TimeSpan.FromSeconds(10), Cancel));
        Assert.False(await a.DisconnectAsync(b.LocalPeer));
    }

    [Fact]
    public async Task Random_bytes_at_the_listener_do_not_disturb_others()
    {
        await using Host a = await StartAsync("yamux");
        await using Host b = await StartAsync("yamux");
        Assert.True(b.ListenAddresses[0].TryGetTcp(out string? host, out int port));
        for (int i = 0; i < 20; i++)
        {
            using var socket = new System.Net.Sockets.TcpClient();
            await socket.ConnectAsync(host!, port, Cancel);
            await socket.GetStream().WriteAsync(Xs128.Bytes($"noise{i}", 1 << i % 16), Cancel);
        }

        await a.ConnectAsync(b.ListenAddresses[0], Cancel);
        await EchoAsync(a, b.LocalPeer, Xs128.Bytes("after", 100_000));
    }

    private static Task<Host> StartAsync(string muxer) => TestHost.StartAsync(TestHost.Options(muxer));

    private static Task EchoAsync(Host from, PeerId to, byte[] data) => TestHost.EchoAsync(from, to, data);
}
