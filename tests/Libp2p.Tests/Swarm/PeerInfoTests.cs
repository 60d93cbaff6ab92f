using Ipcs.Libp2p.Ping;
using Ipcs.Libp2p.Swarm;
using static Ipcs.Libp2p.Tests.TestHost;

namespace Ipcs.Libp2p.Tests.Swarm;

/// <summary>A peer's identify pushes and pings update the same <see cref="PeerInfo"/>: neither loses what the other wrote.</summary>
public sealed class PeerInfoTests
{
    private const string NewProtocol = "/new/1.0.0";

    [Fact]
    public async Task An_identify_push_that_arrives_during_a_ping_is_not_lost()
    {
        await using Host a = await StartAsync(Options(pingInterval: TimeSpan.FromMilliseconds(200)));
        await using Host b = await StartAsync(Options());
        b.Handle(PingProtocol.Name, async (stream, cancellationToken) =>
        {
            // The ping is answered only after the push has arrived at the other side.
            byte[] ping = new byte[32];
            while (await stream.ReadFullyAsync(ping, cancellationToken) == ping.Length)
            {
                b.Handle(NewProtocol, (_, _) => Task.CompletedTask);
                await UntilAsync(() => a.Peers[0].Protocols.Contains(NewProtocol));
                await stream.WriteAsync(ping, cancellationToken);
            }
        });
        await a.ConnectAsync(b.ListenAddresses[0], Cancel);
        await UntilAsync(() => a.Peers[0].Latency is not null);
        Assert.Contains(NewProtocol, a.Peers[0].Protocols);
    }
}
