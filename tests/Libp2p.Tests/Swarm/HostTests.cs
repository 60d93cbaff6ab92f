using System.Security.Cryptography;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Ping;
using Ipcs.Libp2p.Swarm;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Libp2p.Tests.Swarm;

/// <summary>Two hosts on loopback, over each muxer.</summary>
public sealed class HostTests
{
    private const string Echo = "/echo/1.0.0";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("mplex")]
    [InlineData("yamux")]
    public async Task IdentifyAndPing(string muxer)
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
    public async Task BytesComeBackAsTheyWere(string muxer, int size)
    {
        await using Host a = await StartAsync(muxer);
        await using Host b = await StartAsync(muxer);
        await a.ConnectAsync(b.ListenAddresses[0], Cancel);
        await EchoAsync(a, b.LocalPeer, Xs128.Bytes("echo", size));
    }

    [Theory]
    [InlineData("mplex")]
    [InlineData("yamux")]
    public async Task SixtyFourStreamsAtOnce(string muxer)
    {
        await using Host a = await StartAsync(muxer);
        await using Host b = await StartAsync(muxer);
        await a.ConnectAsync(b.ListenAddresses[0], Cancel);
        await Task.WhenAll(Enumerable.Range(0, 64).Select(i => EchoAsync(i % 2 == 0 ? a : b, i % 2 == 0 ? b.LocalPeer : a.LocalPeer, Xs128.Bytes($"{i}", 300_000))));
    }

    [Fact]
    public async Task AnotherIdentityIsRefused()
    {
        await using Host a = await StartAsync("yamux");
        await using Host b = await StartAsync("yamux");
        Multiaddr wrong = b.ListenAddresses[0].WithPeer(KeyPair.Generate().PeerId);
        ConnectException e = await Assert.ThrowsAsync<ConnectException>(() => a.ConnectAsync(wrong, Cancel));
        Assert.Contains(b.LocalPeer.ToString(), e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task UnknownProtocolIsAnErrorAndTheConnectionStays()
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
    public async Task DisconnectIsSeenByBothAndStreamsEnd(string muxer)
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
    public async Task RandomBytesAtTheListenerHarmNobody()
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

    private static async Task<Host> StartAsync(string muxer)
    {
        var host = new Host(new HostOptions
        {
            KeyPair = KeyPair.Generate(), ListenAddresses = [Multiaddr.Parse("/ip4/127.0.0.1/tcp/0")], Muxers = [muxer],
        });
        host.Handle(Echo, async (stream, cancel) =>
        {
            byte[] buffer = new byte[65_536];
            for (int n; (n = await stream.ReadAsync(buffer, cancel)) > 0;)
            {
                await stream.WriteAsync(buffer.AsMemory(0, n), cancel);
            }
        });
        await host.StartAsync(Cancel);
        return host;
    }

    private static async Task EchoAsync(Host from, PeerId to, byte[] data)
    {
        await using PeerStream stream = await from.OpenStreamAsync(to, [Echo], Cancel);
        Task writing = Task.Run(
            async () =>
            {
                await stream.WriteAsync(data, Cancel);
                await stream.CloseWriteAsync(Cancel);
            },
            Cancel);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[65_536];
        long length = 0;
        for (int n; (n = await stream.ReadAsync(buffer, Cancel)) > 0; length += n)
        {
            hash.AppendData(buffer, 0, n);
        }

        await writing;
        Assert.Equal(data.Length, length);
        Assert.Equal(SHA256.HashData(data), hash.GetHashAndReset());
    }
}
