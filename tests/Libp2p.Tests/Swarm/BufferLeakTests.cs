using System.Net.Sockets;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Negotiation;
using Ipcs.Libp2p.Perf;
using Ipcs.Libp2p.Ping;
using Ipcs.Libp2p.Security.Noise;
using Ipcs.Libp2p.Security.Pnet;
using Ipcs.Libp2p.Swarm;
using Ipcs.Libp2p.Transport;
using Ipcs.TestKit;
using static Ipcs.Libp2p.Tests.TestHost;

namespace Ipcs.Libp2p.Tests.Swarm;

/// <summary>Hosts return all their pooled buffers when they are closed, in whatever state their streams are.</summary>
[Collection(Alone.Name)]
public sealed class BufferLeakTests : IAsyncDisposable
{
    private const string Sink = "/sink/1.0.0";

    /// <summary>Runs after every test of the class, when its hosts are closed.</summary>
    public ValueTask DisposeAsync() => BufferLeakCheck.AssertNoneAsync();

    [Theory]
    [InlineData("mplex")]
    [InlineData("yamux")]
    public async Task Streams_that_end_in_order_return_their_buffers(string muxer)
    {
        await using Host a = await StartAsync(Options(muxer));
        await using Host b = await StartAsync(Options(muxer));
        await a.ConnectAsync(b.ListenAddresses[0], Cancel);
        await EchoAsync(a, b.LocalPeer, Xs128.Bytes("leak", 3_000_000));
        await a.PerfAsync(b.LocalPeer, 1_000_000, 1_000_000, Cancel);
        await a.PingAsync(b.LocalPeer, Cancel);
    }

    [Theory]
    [InlineData("mplex")]
    [InlineData("yamux")]
    public async Task Hosts_closed_during_transfers_return_their_buffers(string muxer)
    {
        await using Host a = await StartAsync(Options(muxer));
        await using Host b = await StartAsync(Options(muxer));
        b.Handle(Sink, (_, cancellationToken) => Task.Delay(Timeout.Infinite, cancellationToken));
        await a.ConnectAsync(b.ListenAddresses[0], Cancel);
        var writing = new List<Task>();
        for (int i = 0; i < 8; i++)
        {
            PeerStream stream = await a.OpenStreamAsync(b.LocalPeer, [Sink], Cancel);
            writing.Add(Assert.ThrowsAsync<StreamResetException>(async () => await stream.WriteAsync(new byte[32 << 20], Cancel)));
        }

        await UntilAsync(() => b.GetStatistics().BufferedBytes > 1_000_000);
        await b.DisposeAsync();
        await Task.WhenAll(writing);
    }

    [Fact]
    public async Task Streams_that_are_reset_unread_return_their_buffers()
    {
        await using Host a = await StartAsync(Options());
        await using Host b = await StartAsync(Options());
        b.Handle(Sink, async (stream, cancellationToken) =>
        {
            await stream.ReadAsync(new byte[1], cancellationToken);
            throw new InvalidDataException("the handler gives up");
        });
        await a.ConnectAsync(b.ListenAddresses[0], Cancel);
        for (int i = 0; i < 20; i++)
        {
            PeerStream stream = await a.OpenStreamAsync(b.LocalPeer, [Sink], Cancel);
            await stream.WriteAsync(new byte[100_000], Cancel);
            stream.Reset();
        }

        await UntilAsync(() => b.GetStatistics() is { Streams: 0, BufferedBytes: 0 });
    }

    [Fact]
    public async Task Connections_with_a_swarm_key_return_their_buffers()
    {
        Assert.True(SwarmKey.TryParse([.. "/key/swarm/psk/1.0.0/\n/bin/\n"u8, .. Xs128.Bytes("key", 32)], out SwarmKey? key));
        await using Host a = await StartAsync(WithKey(key));
        await using Host b = await StartAsync(WithKey(key));
        await a.ConnectAsync(b.ListenAddresses[0], Cancel);
        await EchoAsync(a, b.LocalPeer, Xs128.Bytes("leak", 1_000_000));
    }

    [Fact]
    public async Task Connections_refused_after_their_handshake_return_their_buffers()
    {
        await using Host full = await StartAsync(Options(limits: new HostLimits { MaxConnections = 0 }));
        await using Host a = await StartAsync(Options());
        await using Host b = await StartAsync(Options());
        await using Host picky = await StartAsync(Options(filter: new PeerFilter([], [a.LocalPeer.ToString()])));
        await Assert.ThrowsAsync<ConnectException>(() => a.ConnectAsync(b.ListenAddresses[0].WithPeer(full.LocalPeer), Cancel));
        await Assert.ThrowsAsync<ConnectException>(() => picky.ConnectAsync(a.ListenAddresses[0], Cancel));
        await Assert.ThrowsAsync<ConnectException>(() => full.ConnectAsync(b.ListenAddresses[0], Cancel));
    }

    [Fact]
    public async Task A_connection_that_fails_between_noise_and_the_muxer_returns_its_buffers()
    {
        await using Host host = await StartAsync(Options());
        Assert.True(host.ListenAddresses[0].TryGetTcp(out string? ip, out int port));
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(ip, port, Cancel);
        using var transport = new SocketChannel(socket);
        using var identity = new NoiseIdentity(KeyPair.Generate());
        await MultistreamSelect.SelectAsync(transport, ["/noise"], Cancel);
        NoiseChannel noise = await NoiseChannel.HandshakeAsync(transport, identity, initiator: true, Cancel);
        await noise.WriteAsync(new byte[1000], Cancel);
        await UntilAsync(() => host.GetStatistics().PendingInbound == 0);
    }

    private static HostOptions WithKey(SwarmKey key) => new()
    {
        KeyPair = KeyPair.Generate(),
        ListenAddresses = [Multiformats.Multiaddr.Parse("/ip4/127.0.0.1/tcp/0")],
        SwarmKey = key,
        Time = TimeProvider.System,
        Seed = 1,
    };
}
