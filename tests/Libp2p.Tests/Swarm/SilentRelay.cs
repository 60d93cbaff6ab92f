using System.Net;
using System.Net.Sockets;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Tests.Swarm;

/// <summary>Relays the bytes of one connection until it is silenced: then it looks like a cut cable.</summary>
internal sealed class SilentRelay : IAsyncDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly List<Socket> _sockets = [];
    private readonly Task _running;
    private volatile bool _silent;

    public SilentRelay(Multiaddr target)
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(1);
        Address = Multiaddr.FromEndPoint((IPEndPoint)_listener.LocalEndPoint!);
        Assert.True(target.TryGetTcp(out string? host, out int port));
        _running = RunAsync(new IPEndPoint(IPAddress.Parse(host), port));
    }

    public Multiaddr Address { get; }

    public void Silence() => _silent = true;

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        _sockets.ForEach(s => s.Dispose());
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task RunAsync(IPEndPoint target)
    {
        Socket client = await _listener.AcceptAsync();
        var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        _sockets.AddRange([client, server]);
        await server.ConnectAsync(target);
        await Task.WhenAll(CopyAsync(client, server), CopyAsync(server, client));
    }

    private async Task CopyAsync(Socket from, Socket to)
    {
        byte[] buffer = new byte[65_536];
        try
        {
            for (int n; (n = await from.ReceiveAsync(buffer, SocketFlags.None)) > 0;)
            {
                if (!_silent)
                {
                    await to.SendAsync(buffer.AsMemory(0, n), SocketFlags.None);
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test has closed the sockets.
        }
    }
}
