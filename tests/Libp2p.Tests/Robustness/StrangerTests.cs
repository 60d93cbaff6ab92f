using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Muxing.Yamux;
using Ipcs.Libp2p.Negotiation;
using Ipcs.Libp2p.Security.Noise;
using Ipcs.Libp2p.Swarm;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;
using Ipcs.TestKit;
using static Ipcs.Libp2p.Tests.TestHost;

namespace Ipcs.Libp2p.Tests.Robustness;

/// <summary>Ten thousand connections that violate the protocols in every phase, during the transfer of a good peer.</summary>
[Collection(Alone.Name)]
public sealed class StrangerTests
{
    private const int Connections = 10_000;

    /// <summary>Fewer than one address may have pending, so that none is refused at once.</summary>
    private const int Parallel = 64;

    private static readonly Func<SocketChannel, NoiseIdentity, int, Task>[] Strangers =
    [
        RandomBytesAsync, TruncatedAsync, HugeLengthAsync, HalfOpenAsync, TruncatedAsync, RandomBytesAsync, WrongKeyAsync, HugeLengthAsync,
        RandomBytesAsync, StreamFloodAsync, HalfOpenAsync, WindowViolationAsync, TruncatedAsync, HugeIdentifyAsync, HalfOpenAsync,
        GarbageAfterHandshakeAsync,
    ];

    [Fact]
    public async Task Ten_thousand_bad_connections_do_not_disturb_a_good_one()
    {
        KeyPair key = KeyPair.Generate();
        var log = new LineLogger(line => line.Contains(key.PeerId.ToString(), StringComparison.Ordinal));
        await using Host host = await StartAsync(
            Options(upgradeTime: TimeSpan.FromSeconds(3), streamTime: TimeSpan.FromSeconds(60), logger: log));
        await using Host good = await StartAsync(Options(key: key));
        await good.ConnectAsync(host.ListenAddresses[0], Cancel);
        await EchoAsync(good, host.LocalPeer, new byte[1 << 20]);
        Assert.True(host.ListenAddresses[0].TryGetTcp(out string? ip, out int port));
        var target = new IPEndPoint(IPAddress.Parse(ip), port);
        using var identity = new NoiseIdentity(KeyPair.Generate());

        // One round of each kind first, so that everything that is allocated once exists before the counts.
        await PlayAsync(target, identity, 0, 256);
        await UntilAsync(() => host.GetStatistics() is { Connections: 1, PendingInbound: 0, Streams: 0 });
        int descriptors = Descriptors();
        long memory = GC.GetTotalMemory(forceFullCollection: true);

        using var stop = new CancellationTokenSource();
        Task<long> transfer = TransferAsync(good, host.LocalPeer, stop.Token);
        await PlayAsync(target, identity, 256, Connections);
        await stop.CancelAsync();
        try
        {
            Assert.True(await transfer > 0);
        }
        catch (IOException e)
        {
            Assert.Fail($"the good transfer failed: {e.Message}; the other side has {host.GetStatistics()} and logged: {log}");
        }

        await UntilAsync(() => host.GetStatistics() is { Connections: 1, PendingInbound: 0, Streams: 0, BufferedBytes: 0 });
        await EchoAsync(good, host.LocalPeer, Xs128.Bytes("after", 1 << 20));
        await UntilAsync(() => Descriptors() <= descriptors + 10);
        await UntilAsync(() => GC.GetTotalMemory(forceFullCollection: true) <= memory + (16 << 20));
    }

    private static int Descriptors() => Directory.GetFiles("/proc/self/fd").Length;

    /// <summary>Echoes and checks one piece after the other over one connection until it is stopped.</summary>
    private static async Task<long> TransferAsync(Host from, PeerId to, CancellationToken stop)
    {
        byte[] piece = Xs128.Bytes("good", 4 << 20);
        long sent = 0;
        do
        {
            try
            {
                await EchoAsync(from, to, piece);
            }
            catch (IOException e)
            {
                throw new IOException($"after {sent} bytes: {e.Message}", e);
            }

            sent += piece.Length;
        }
        while (!stop.IsCancellationRequested);
        return sent;
    }

    private static async Task PlayAsync(IPEndPoint target, NoiseIdentity identity, int first, int last)
    {
        var options = new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = Cancel };
        await System.Threading.Tasks.Parallel.ForAsync(first, last, options, async (i, cancel) =>
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(target, cancel);
                using var channel = new SocketChannel(socket);
                await Strangers[i % Strangers.Length](channel, identity, i);
            }
            catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
            {
                // The host has closed the connection, as it should.
            }
        });
    }

    private static ValueTask RandomBytes(IByteChannel channel, int i) =>
        channel.WriteAsync(Xs128.Bytes($"{i}", 1 + (i * 31 % 2000)), Cancel);

    private static Task RandomBytesAsync(SocketChannel channel, NoiseIdentity identity, int i) => RandomBytes(channel, i).AsTask();

    private static async Task TruncatedAsync(SocketChannel channel, NoiseIdentity identity, int i)
    {
        await MultistreamSelect.SelectAsync(channel, ["/noise"], Cancel);
        byte[] message = [0, 32, .. Xs128.Bytes($"{i}", 32)];
        await channel.WriteAsync(message.AsMemory(0, i % message.Length), Cancel);
    }

    private static async Task HugeLengthAsync(SocketChannel channel, NoiseIdentity identity, int i)
    {
        if (i % 2 == 0)
        {
            await channel.WriteAsync(new byte[] { 0xff, 0xff, 0xff, 0xff, 0x0f }, Cancel);
        }
        else
        {
            await MultistreamSelect.SelectAsync(channel, ["/noise"], Cancel);
            await channel.WriteAsync(new byte[] { 0xff, 0xff }, Cancel);
        }

        await channel.ReadAsync(new byte[100], Cancel);
    }

    /// <summary>Sends nothing; every hundredth connection waits until the host closes it.</summary>
    private static async Task HalfOpenAsync(SocketChannel channel, NoiseIdentity identity, int i)
    {
        if (i % 100 == 3)
        {
            await channel.ReadAsync(new byte[1], Cancel);
        }
    }

    private static async Task WrongKeyAsync(SocketChannel channel, NoiseIdentity identity, int i)
    {
        await MultistreamSelect.SelectAsync(channel, ["/noise"], Cancel);
        using var noise = new NoiseHandshake(identity);
        await SendAsync(channel, noise.WriteA());
        noise.ReadB(await ReceiveAsync(channel));
        KeyPair another = KeyPair.Generate();
        byte[] signature = another.Sign("something else"u8);
        await SendAsync(channel, noise.WriteC([0x0a, 36, .. another.PublicKeyProtobuf, 0x12, 64, .. signature]));
        await channel.ReadAsync(new byte[100], Cancel);
    }

    private static async Task StreamFloodAsync(SocketChannel channel, NoiseIdentity identity, int i)
    {
        NoiseChannel noise = await UpgradeAsync(channel, identity);
        using IDisposable owner = Wire.Own(noise);
        byte[] frames = new byte[3000 * YamuxHeader.Size];
        for (int n = 0; n < 3000; n++)
        {
            new YamuxHeader(YamuxType.WindowUpdate, YamuxFlags.Syn, (uint)((2 * n) + 1), 0).Encode(frames.AsSpan(n * YamuxHeader.Size));
        }

        await noise.WriteAsync(frames, Cancel);
        await noise.ReadAsync(new byte[10_000], Cancel);
    }

    private static async Task WindowViolationAsync(SocketChannel channel, NoiseIdentity identity, int i)
    {
        NoiseChannel noise = await UpgradeAsync(channel, identity);
        using IDisposable owner = Wire.Own(noise);
        byte[] frame = new byte[YamuxHeader.Size + 300_000];
        new YamuxHeader(YamuxType.Data, YamuxFlags.Syn, 1, 300_000).Encode(frame);
        await noise.WriteAsync(frame, Cancel);
        await UntilEndAsync(noise);
    }

    /// <summary>Answers the host's identify request with megabytes, and pushes as much.</summary>
    private static async Task HugeIdentifyAsync(SocketChannel channel, NoiseIdentity identity, int i)
    {
        NoiseChannel noise = await UpgradeAsync(channel, identity);
        using IDisposable owner = Wire.Own(noise);
        byte[] open = [.. MultistreamSelect.Propose("/ipfs/id/push/1.0.0").Span, 0x80, 0x80, 0x80, 0x02];
        byte[] frame = new byte[YamuxHeader.Size + open.Length + 100_000];
        new YamuxHeader(YamuxType.Data, YamuxFlags.Syn, 1, (uint)(open.Length + 100_000)).Encode(frame);
        open.CopyTo(frame, YamuxHeader.Size);
        await noise.WriteAsync(frame, Cancel);
        byte[] answer = [.. MultistreamSelect.Propose("/ipfs/id/1.0.0").Span, 0x80, 0x80, 0x80, 0x02];
        byte[] reply = new byte[YamuxHeader.Size + answer.Length];
        new YamuxHeader(YamuxType.Data, YamuxFlags.Ack, 2, (uint)answer.Length).Encode(reply);
        answer.CopyTo(reply, YamuxHeader.Size);
        await noise.WriteAsync(reply, Cancel);
        await noise.ReadAsync(new byte[1000], Cancel);
    }

    private static async Task GarbageAfterHandshakeAsync(SocketChannel channel, NoiseIdentity identity, int i)
    {
        NoiseChannel noise = await UpgradeAsync(channel, identity);
        using IDisposable owner = Wire.Own(noise);
        if (i % 32 < 16)
        {
            await RandomBytes(noise, i);
        }
        else
        {
            // A frame that is not encrypted with a key of the connection.
            await channel.WriteAsync((byte[])[0, 20, .. new byte[20]], Cancel);
        }

        await UntilEndAsync(noise);
    }

    private static async Task<NoiseChannel> UpgradeAsync(SocketChannel channel, NoiseIdentity identity)
    {
        await MultistreamSelect.SelectAsync(channel, ["/noise"], Cancel);
        NoiseChannel noise = await NoiseChannel.HandshakeAsync(channel, identity, initiator: true, Cancel);
        try
        {
            await MultistreamSelect.SelectAsync(noise, [YamuxMuxer.ProtocolName], Cancel);
            return noise;
        }
        catch
        {
            Wire.Own(noise).Dispose();
            throw;
        }
    }

    private static async Task UntilEndAsync(NoiseChannel noise)
    {
        byte[] buffer = new byte[1000];
        while (await noise.ReadAsync(buffer, Cancel) > 0)
        {
            // Reads what the host sends before it closes the connection.
        }
    }

    private static ValueTask SendAsync(SocketChannel channel, byte[] message) =>
        channel.WriteAsync(new byte[] { (byte)(message.Length >> 8), (byte)message.Length }.Concat(message).ToArray(), Cancel);

    private static async Task<byte[]> ReceiveAsync(SocketChannel channel)
    {
        byte[] head = new byte[2];
        await channel.ReadExactlyAsync(head, Cancel);
        byte[] message = new byte[BinaryPrimitives.ReadUInt16BigEndian(head)];
        await channel.ReadExactlyAsync(message, Cancel);
        return message;
    }
}
