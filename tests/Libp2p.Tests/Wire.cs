using System.Net;
using System.Net.Sockets;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Security.Noise;
using Ipcs.Libp2p.Transport;

namespace Ipcs.Libp2p.Tests;

/// <summary>The two ends of a loopback connection, plain or encrypted by Noise with fixed keys.</summary>
internal static class Wire
{
    public static async Task<(SocketChannel Dialler, SocketChannel Listener)> ConnectAsync(CancellationToken cancellationToken)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        var dialler = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await dialler.ConnectAsync(listener.LocalEndPoint!, cancellationToken);
        Socket accepted = await listener.AcceptAsync(cancellationToken);
        accepted.NoDelay = true;
        return (new SocketChannel(dialler), new SocketChannel(accepted));
    }

    public static async Task<(NoiseChannel Dialler, NoiseChannel Listener)> ConnectNoiseAsync(CancellationToken cancellationToken)
    {
        (SocketChannel a, SocketChannel b) = await ConnectAsync(cancellationToken);
        byte[] there = new byte[32], back = new byte[32];
        back[0] = 1;
        return (
            NoiseChannel.FromKeys(a, KeyPair.FromSeed(back).PeerId, there, back),
            NoiseChannel.FromKeys(b, KeyPair.FromSeed(there).PeerId, back, there));
    }

    /// <summary>Closes a channel that no muxer reads, and returns its receive buffer.</summary>
    public static IDisposable Own(NoiseChannel channel) => new Owner(channel);

    private sealed class Owner(NoiseChannel channel) : IDisposable
    {
        public void Dispose()
        {
            channel.Dispose();
            channel.EndReading();
        }
    }
}
