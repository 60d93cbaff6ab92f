using System.Security.Cryptography;
using Ipcs.Libp2p.Dns;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Swarm;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.Libp2p.Tests;

/// <summary>Starts hosts on loopback that echo, and uses them.</summary>
internal static class TestHost
{
    public const string Echo = "/echo/1.0.0";

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static HostOptions Options(
        string muxer = "yamux", string listen = "/ip4/127.0.0.1/tcp/0", HostLimits? limits = null, PeerFilter? filter = null,
        IReadOnlyList<Multiaddr>? peers = null, KeyPair? key = null, TimeSpan? pingInterval = null, TimeSpan? pingTime = null,
        TimeSpan? upgradeTime = null, TimeSpan? streamTime = null, ILogger? logger = null, IDnsResolver? dns = null,
        TimeSpan? graceTime = null) => new()
        {
            KeyPair = key ?? KeyPair.Generate(),
            ListenAddresses = [Multiaddr.Parse(listen)],
            Muxers = muxer.Split(','),
            Limits = limits ?? new HostLimits(),
            Filter = filter ?? PeerFilter.None,
            Peers = peers ?? [],
            PingInterval = pingInterval ?? TimeSpan.FromSeconds(15),
            PingTime = pingTime ?? TimeSpan.FromSeconds(10),
            UpgradeTime = upgradeTime ?? TimeSpan.FromSeconds(10),
            Dns = dns,
            GraceTime = graceTime ?? TimeSpan.FromSeconds(20),
            Time = TimeProvider.System,
            Seed = 1,
            Logger = logger ?? NullLogger.Instance,
            StreamTime = streamTime ?? TimeSpan.FromSeconds(10),
        };

    public static async Task<Host> StartAsync(HostOptions options)
    {
        var host = new Host(options);
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

    public static async Task EchoAsync(Host from, PeerId to, byte[] data)
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

    public static async Task UntilAsync(Func<bool> condition, int seconds = 20)
    {
        long end = Environment.TickCount64 + (seconds * 1000);
        while (!condition())
        {
            Assert.True(Environment.TickCount64 < end, "the condition was not met in time");
            await Task.Delay(10, Cancel);
        }
    }
}
