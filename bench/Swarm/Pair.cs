using Ipcs.Libp2p;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Perf;
using Ipcs.Libp2p.Swarm;
using Ipcs.Multiformats;

namespace Ipcs.Bench.Swarm;

/// <summary>Two hosts in this process, connected over loopback.</summary>
internal sealed class Pair(Host dialler, Host listener) : IAsyncDisposable
{
    private const string Echo = "/bench/echo/1.0.0";

    /// <summary>Starts and connects two hosts.</summary>
    public static async Task<Pair> StartAsync(string muxer)
    {
        Host listener = await HostAsync(muxer, listen: true), dialler = await HostAsync(muxer, listen: false);
        await dialler.ConnectAsync(listener.ListenAddresses[0], CancellationToken.None);
        return new Pair(dialler, listener);
    }

    /// <summary>A host with only that muxer, and with an echo protocol.</summary>
    public static async Task<Host> HostAsync(string muxer, bool listen)
    {
        var host = new Host(new HostOptions
        {
            Time = TimeProvider.System,
            Seed = 1,
            KeyPair = KeyPair.Generate(),
            Muxers = [muxer],
            ListenAddresses = listen ? [Multiaddr.Parse("/ip4/127.0.0.1/tcp/0")] : [],
        });
        host.Handle(Echo, async (stream, cancel) =>
        {
            byte[] one = new byte[1];
            while (await stream.ReadAsync(one, cancel) > 0)
            {
                await stream.WriteAsync(one, cancel);
            }
        });
        await host.StartAsync(CancellationToken.None);
        return host;
    }

    /// <summary>Sends that many bytes over /perf/1.0.0.</summary>
    public Task PerfAsync(long bytes) => dialler.PerfAsync(listener.LocalPeer, bytes, 0, CancellationToken.None);

    /// <summary>Opens streams, some in parallel; sends a byte over each, waits for its echo, and closes the stream.</summary>
    public Task OpenAsync(int count, int atOnce) =>
        Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = atOnce }, (_, cancel) => OpenOneAsync(cancel));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await dialler.DisposeAsync();
        await listener.DisposeAsync();
    }

    private async ValueTask OpenOneAsync(CancellationToken cancellationToken)
    {
        await using PeerStream stream = await dialler.OpenStreamAsync(listener.LocalPeer, [Echo], cancellationToken);
        byte[] one = new byte[1];
        await stream.WriteAsync(one, cancellationToken);
        await stream.CloseWriteAsync(cancellationToken);
        while (await stream.ReadAsync(one, cancellationToken) > 0)
        {
            // Until the other end has closed it.
        }
    }
}
