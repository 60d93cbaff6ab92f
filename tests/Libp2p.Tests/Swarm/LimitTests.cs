using System.Net;
using System.Net.Sockets;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Muxing;
using Ipcs.Libp2p.Swarm;
using static Ipcs.Libp2p.Tests.TestHost;

namespace Ipcs.Libp2p.Tests.Swarm;

/// <summary>Each limit is enforced, does not disturb others, and is free again afterwards.</summary>
public sealed class LimitTests
{
    private const string Sink = "/sink/1.0.0";
    private const int Mebibyte = 1 << 20;

    public static TheoryData<string, HostLimits, int> Streams() => new()
    {
        { "connection", new HostLimits { MaxInboundStreamsPerConnection = 8 }, 16 },
        { "peer", new HostLimits { MaxInboundStreamsPerPeer = 8 }, 16 },
        { "peer and protocol", new HostLimits { MaxInboundStreamsPerPeerAndProtocol = 8 }, 16 },
        { "protocol", new HostLimits { MaxInboundStreamsPerProtocol = 8 }, 8 },
        { "address", new HostLimits { MaxInboundStreamsPerAddress = 8 }, 8 },
        { "all", new HostLimits { MaxInboundStreams = 8 }, 8 },
    };

    public static TheoryData<string, HostLimits, int> Buffers() => new()
    {
        { "connection", new HostLimits { MaxBufferedPerConnection = Mebibyte }, 2 },
        { "peer", new HostLimits { MaxBufferedPerPeer = Mebibyte }, 2 },
        { "address", new HostLimits { MaxBufferedPerAddress = Mebibyte }, 1 },
        { "protocol", new HostLimits { MaxBufferedPerProtocol = Mebibyte }, 1 },
        { "all", new HostLimits { MaxBuffered = Mebibyte }, 1 },
    };

    /// <summary>
    /// Two peers from one address open as many streams as they can; <paramref name="most"/> is how many both may have together.
    /// </summary>
    [Theory]
    [MemberData(nameof(Streams))]
    public async Task Streams_are_bounded(string what, HostLimits limits, int most)
    {
        await using Host hub = await StartAsync(Options(limits: limits));
        await using Host a = await StartAsync(Options());
        await using Host b = await StartAsync(Options());
        await a.ConnectAsync(hub.ListenAddresses[0], Cancel);
        await b.ConnectAsync(hub.ListenAddresses[0], Cancel);
        await UntilAsync(() => hub.GetStatistics().Streams == 0);

        List<PeerStream> open = [];
        foreach (Host from in new[] { a, b })
        {
            for (int i = 0; i < 12; i++)
            {
                if (await TryOpenAsync(from, hub) is { } stream)
                {
                    open.Add(stream);
                }
            }
        }

        Assert.True(open.Count == most, $"{open.Count} streams are open with a limit of 8 per {what}");
        foreach (PeerStream stream in open)
        {
            await stream.DisposeAsync();
        }

        await UntilAsync(() => hub.GetStatistics().Streams == 0);
        await EchoAsync(a, hub.LocalPeer, new byte[1000]);
        await EchoAsync(b, hub.LocalPeer, new byte[1000]);
    }

    /// <summary>
    /// Two peers from one address send bytes that are not read; <paramref name="most"/> is how many MiB of both may be buffered.
    /// </summary>
    [Theory]
    [MemberData(nameof(Buffers))]
    public async Task Unread_bytes_are_bounded(string what, HostLimits limits, int most)
    {
        await using Host hub = await StartAsync(Options(limits: limits));
        hub.Handle(Sink, (_, cancel) => Task.Delay(Timeout.Infinite, cancel));
        await using Host a = await StartAsync(Options());
        await using Host b = await StartAsync(Options());
        await a.ConnectAsync(hub.ListenAddresses[0], Cancel);
        await b.ConnectAsync(hub.ListenAddresses[0], Cancel);

        // Eight streams of each peer with a first window of 256 KiB: 2 MiB.
        var streams = new List<MuxedStream>();
        long greatest = 0;
        foreach (Host from in new[] { a, b })
        {
            for (int i = 0; i < 8; i++)
            {
                var stream = (MuxedStream)await from.OpenStreamAsync(hub.LocalPeer, [Sink], Cancel);
                streams.Add(stream);
                long before = hub.GetStatistics().BufferedBytes;
                Task<bool> writing = TryWriteAsync(stream, 200_000);
                await UntilAsync(() => stream.IsClosed || hub.GetStatistics().BufferedBytes >= before + 200_000);
                await writing;
                greatest = Math.Max(greatest, hub.GetStatistics().BufferedBytes);
            }
        }

        // A stream takes four segments of 64 KiB: three or four streams fit.
        Assert.True(
            greatest >= most * Mebibyte / 2 && greatest <= (most * Mebibyte) + 20_000,
            $"{greatest} bytes are buffered with a limit of 1 MiB per {what}");
        Assert.Contains(streams, s => s.IsClosed);
        streams.ForEach(s => s.Reset());
        await UntilAsync(() => hub.GetStatistics() is { Streams: 0, BufferedBytes: 0 });
        await EchoAsync(a, hub.LocalPeer, new byte[Mebibyte]);
        await EchoAsync(b, hub.LocalPeer, new byte[Mebibyte]);
    }

    [Fact]
    public async Task Outbound_streams_of_one_connection_are_bounded()
    {
        await using Host hub = await StartAsync(Options());
        await using Host a = await StartAsync(Options(limits: new HostLimits { MaxOutboundStreamsPerConnection = 4 }));
        await a.ConnectAsync(hub.ListenAddresses[0], Cancel);
        await UntilAsync(() => a.GetStatistics().Streams == 0);
        var open = new List<PeerStream>();
        for (int i = 0; i < 4; i++)
        {
            open.Add(await a.OpenStreamAsync(hub.LocalPeer, [Echo], Cancel));
        }

        await Assert.ThrowsAsync<ConnectException>(async () => await a.OpenStreamAsync(hub.LocalPeer, [Echo], Cancel));
        open.ForEach(s => s.Reset());
        await EchoAsync(a, hub.LocalPeer, new byte[1000]);
    }

    [Fact]
    public async Task Connections_of_one_peer_are_bounded()
    {
        KeyPair key = KeyPair.Generate();
        await using Host hub = await StartAsync(Options(limits: new HostLimits { MaxConnectionsPerPeer = 1 }));
        await using Host first = await StartAsync(Options(key: key));
        await using Host second = await StartAsync(Options(key: key));
        await using Host other = await StartAsync(Options());
        await first.ConnectAsync(hub.ListenAddresses[0], Cancel);
        await Assert.ThrowsAsync<ConnectException>(() => second.ConnectAsync(hub.ListenAddresses[0], Cancel));
        await UntilAsync(() => second.Peers.Count == 0);
        await EchoAsync(first, hub.LocalPeer, new byte[1000]);
        await other.ConnectAsync(hub.ListenAddresses[0], Cancel);
        Assert.Equal(2, hub.GetStatistics().Connections);
    }

    [Theory]
    [InlineData(4, 100)]
    [InlineData(100, 4)]
    public async Task Handshakes_in_progress_are_bounded(int all, int perAddress)
    {
        var limits = new HostLimits { MaxPendingInbound = all, MaxPendingPerAddress = perAddress };
        await using Host hub = await StartAsync(Options(limits: limits));
        Assert.True(hub.ListenAddresses[0].TryGetTcp(out string? ip, out int port));
        var silent = new List<Socket>();
        for (int i = 0; i < 6; i++)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Parse(ip), port), Cancel);
            silent.Add(socket);
        }

        await UntilAsync(() => hub.GetStatistics() is { PendingInbound: 4, RefusedHandshakes: 2 });
        silent.ForEach(s => s.Dispose());
        await UntilAsync(() => hub.GetStatistics().PendingInbound == 0);
        await using Host good = await StartAsync(Options());
        await good.ConnectAsync(hub.ListenAddresses[0], Cancel);
    }

    [Fact]
    public async Task Dials_over_the_limit_wait()
    {
        using var deaf = new TcpListener(IPAddress.Loopback, 0);
        deaf.Start();
        await using Host b = await StartAsync(Options());
        await using Host a = await StartAsync(
            Options(limits: new HostLimits { MaxPendingOutbound = 1 }, upgradeTime: TimeSpan.FromSeconds(2)));

        // The first dial gets no answer and takes its two seconds, during which the second one has to wait.
        Task<PeerInfo> first = a.ConnectAsync(Multiformats.Multiaddr.FromEndPoint((IPEndPoint)deaf.LocalEndpoint), Cancel);
        using Socket accepted = await deaf.AcceptSocketAsync(Cancel);
        Task<PeerInfo> second = a.ConnectAsync(b.ListenAddresses[0], Cancel);
        Assert.Same(first, await Task.WhenAny(first, second));
        await Assert.ThrowsAsync<ConnectException>(() => first);
        Assert.Equal(b.LocalPeer, (await second).Peer);
    }

    private static async Task<bool> TryWriteAsync(PeerStream stream, int bytes)
    {
        try
        {
            await stream.WriteAsync(new byte[bytes], Cancel);
            return true;
        }
        catch (StreamResetException)
        {
            return false;
        }
    }

    private static async Task<PeerStream?> TryOpenAsync(Host from, Host to)
    {
        PeerStream stream = await from.OpenStreamAsync(to.LocalPeer, [Echo], Cancel);
        try
        {
            await stream.WriteAsync(new byte[1], Cancel);
            Assert.Equal(1, await stream.ReadAsync(new byte[1], Cancel));
            return stream;
        }
        catch (StreamResetException)
        {
            return null;
        }
    }
}
