using System.Net;
using System.Net.Sockets;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Muxing;
using Ipcs.Libp2p.Swarm;
using static Ipcs.Libp2p.Tests.TestHost;

namespace Ipcs.Libp2p.Tests.Swarm;

/// <summary>Each limit bites, nobody else is hurt by that, and what it held back is free again afterwards.</summary>
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

    /// <summary>Two peers from one address open as many streams as they can; <paramref name="most"/> is what both may hold together.</summary>
    [Theory]
    [MemberData(nameof(Streams))]
    public async Task StreamsAreBounded(string what, HostLimits limits, int most)
    {
        await using Host hub = await StartAsync(Options(limits: limits));
        await using Host a = await StartAsync(Options());
        await using Host b = await StartAsync(Options());
        await a.ConnectAsync(hub.ListenAddresses[0], Cancel);
        await b.ConnectAsync(hub.ListenAddresses[0], Cancel);
        await UntilAsync(() => hub.GetStatistics().Streams == 0);

        List<PeerStream> held = [];
        foreach (Host from in new[] { a, b })
        {
            for (int i = 0; i < 12; i++)
            {
                if (await TryHoldAsync(from, hub) is { } stream)
                {
                    held.Add(stream);
                }
            }
        }

        Assert.True(held.Count == most, $"{held.Count} streams are held with a bound of 8 per {what}");
        foreach (PeerStream stream in held)
        {
            await stream.DisposeAsync();
        }

        await UntilAsync(() => hub.GetStatistics().Streams == 0);
        await EchoAsync(a, hub.LocalPeer, new byte[1000]);
        await EchoAsync(b, hub.LocalPeer, new byte[1000]);
    }

    /// <summary>Two peers from one address send what nobody reads; <paramref name="most"/> is how many MiB may wait together.</summary>
    [Theory]
    [MemberData(nameof(Buffers))]
    public async Task WhatWaitsToBeReadIsBounded(string what, HostLimits limits, int most)
    {
        await using Host hub = await StartAsync(Options(limits: limits));
        hub.Handle(Sink, (_, cancel) => Task.Delay(Timeout.Infinite, cancel));
        await using Host a = await StartAsync(Options());
        await using Host b = await StartAsync(Options());
        await a.ConnectAsync(hub.ListenAddresses[0], Cancel);
        await b.ConnectAsync(hub.ListenAddresses[0], Cancel);

        // Of each eight times the 256 KiB that a stream's first window lets through: 2 MiB.
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
                await UntilAsync(() => stream.IsOver || hub.GetStatistics().BufferedBytes >= before + 200_000);
                await writing;
                greatest = Math.Max(greatest, hub.GetStatistics().BufferedBytes);
            }
        }

        // A stream takes four segments of 64 KiB: three or four of them fit.
        Assert.True(greatest >= most * Mebibyte / 2 && greatest <= (most * Mebibyte) + 20_000, $"{greatest} bytes wait with a bound of 1 MiB per {what}");
        Assert.Contains(streams, s => s.IsOver);
        streams.ForEach(s => s.Reset());
        await UntilAsync(() => hub.GetStatistics() is { Streams: 0, BufferedBytes: 0 });
        await EchoAsync(a, hub.LocalPeer, new byte[Mebibyte]);
        await EchoAsync(b, hub.LocalPeer, new byte[Mebibyte]);
    }

    [Fact]
    public async Task OurOwnStreamsOverOneConnectionAreBounded()
    {
        await using Host hub = await StartAsync(Options());
        await using Host a = await StartAsync(Options(limits: new HostLimits { MaxOutboundStreamsPerConnection = 4 }));
        await a.ConnectAsync(hub.ListenAddresses[0], Cancel);
        await UntilAsync(() => a.GetStatistics().Streams == 0);
        var held = new List<PeerStream>();
        for (int i = 0; i < 4; i++)
        {
            held.Add(await a.OpenStreamAsync(hub.LocalPeer, [Echo], Cancel));
        }

        await Assert.ThrowsAsync<ConnectException>(async () => await a.OpenStreamAsync(hub.LocalPeer, [Echo], Cancel));
        held.ForEach(s => s.Reset());
        await EchoAsync(a, hub.LocalPeer, new byte[1000]);
    }

    [Fact]
    public async Task ConnectionsOfOnePeerAreBounded()
    {
        KeyPair key = KeyPair.Generate();
        await using Host hub = await StartAsync(Options(limits: new HostLimits { MaxConnectionsPerPeer = 1 }));
        await using Host first = await StartAsync(Options(key: key));
        await using Host second = await StartAsync(Options(key: key));
        await using Host other = await StartAsync(Options());
        await first.ConnectAsync(hub.ListenAddresses[0], Cancel);
        try
        {
            await second.ConnectAsync(hub.ListenAddresses[0], Cancel);
        }
        catch (ConnectException)
        {
            // Its handshake was done before it was refused, or not.
        }

        await UntilAsync(() => second.Peers.Count == 0);
        await EchoAsync(first, hub.LocalPeer, new byte[1000]);
        await other.ConnectAsync(hub.ListenAddresses[0], Cancel);
        Assert.Equal(2, hub.GetStatistics().Connections);
    }

    [Theory]
    [InlineData(4, 100)]
    [InlineData(100, 4)]
    public async Task HandshakesUnderWayAreBounded(int all, int perAddress)
    {
        await using Host hub = await StartAsync(Options(limits: new HostLimits { MaxPendingInbound = all, MaxPendingPerAddress = perAddress }));
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
    public async Task DialsBeyondTheBoundWait()
    {
        using var deaf = new TcpListener(IPAddress.Loopback, 0);
        deaf.Start();
        await using Host b = await StartAsync(Options());
        await using Host a = await StartAsync(Options(limits: new HostLimits { MaxPendingOutbound = 1 }, upgradeTime: TimeSpan.FromSeconds(2)));

        // The first is answered by nobody and takes all of its two seconds, for which the second has to wait.
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

    private static async Task<PeerStream?> TryHoldAsync(Host from, Host to)
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
