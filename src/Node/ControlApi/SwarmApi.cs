using System.Text.Json.Nodes;
using Ipcs.Libp2p;
using Ipcs.Libp2p.Ping;
using Ipcs.Multiformats;
using Ipcs.Node.Daemon;

namespace Ipcs.Node.ControlApi;

/// <summary><c>swarm …</c> and <c>ping</c>.</summary>
internal sealed class SwarmApi(NodeServices node)
{
    /// <summary>A dial, its handshakes and identify together: under the 40 s that the command promises.</summary>
    private static readonly TimeSpan ConnectTime = TimeSpan.FromSeconds(30);

    /// <summary>The most pings in one request.</summary>
    private const long MaxPings = 10_000;

    public Task Peers(ApiRequest request) => request.JsonAsync(new JsonObject
    {
        ["Peers"] = new JsonArray([.. node.Host.Peers.Select(p => (JsonNode)new JsonObject
        {
            ["Addr"] = p.Address.ToString(),
            ["Peer"] = p.Peer.ToString(),
            ["Direction"] = p.Inbound ? 1 : 2,
            ["Muxer"] = p.Muxer,
            ["Identify"] = new JsonObject { ["AgentVersion"] = p.AgentVersion },
        })]),
    });

    public async Task ConnectAsync(ApiRequest request)
    {
        string text = request.Arg(0, "address");
        if (!Multiaddr.TryParse(text, out Multiaddr? address) || !address.TryGetTcp(out _, out _))
        {
            throw ApiException.Bad($"'{text}' is not a TCP multiaddr such as /ip4/10.0.0.1/tcp/4001/p2p/12D3…");
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(request.Aborted);
        limit.CancelAfter(ConnectTime);
        PeerInfo peer;
        try
        {
            peer = await node.Host.ConnectAsync(address, limit.Token);
        }
        catch (OperationCanceledException) when (!request.Aborted.IsCancellationRequested)
        {
            throw new ApiException($"connect {text}: no answer within {ConnectTime.TotalSeconds} s");
        }

        await request.JsonAsync(new JsonObject { ["Strings"] = new JsonArray($"connect {peer.Peer} success") });
    }

    public async Task DisconnectAsync(ApiRequest request)
    {
        PeerId peer = PeerArg(request);
        if (!await node.Host.DisconnectAsync(peer))
        {
            throw new ApiException($"{peer} is not connected");
        }

        await request.JsonAsync(new JsonObject { ["Strings"] = new JsonArray($"disconnect {peer} success") });
    }

    public async Task PingAsync(ApiRequest request)
    {
        PeerId peer = PeerArg(request);
        long count = request.Number("count") ?? 10;
        if (count is < 1 or > MaxPings)
        {
            throw ApiException.Bad($"option count: {count} is not from 1 to {MaxPings}");
        }

        if (Multiaddr.TryParse(request.Arg(0, "peer"), out Multiaddr? address) && address.TryGetTcp(out _, out _))
        {
            await node.Host.ConnectAsync(address, request.Aborted);
        }

        for (long i = 0; i < count; i++)
        {
            TimeSpan time = await node.Host.PingAsync(peer, request.Aborted);
            await request.LineAsync(new JsonObject { ["Success"] = true, ["Time"] = (long)time.TotalNanoseconds, ["Text"] = "" });
        }
    }

    /// <summary>A peer as its id, or as an address that ends in it.</summary>
    private static PeerId PeerArg(ApiRequest request)
    {
        string text = request.Arg(0, "peer");
        return PeerId.TryParse(text, out PeerId id) ? id
            : Multiaddr.TryParse(text, out Multiaddr? address) && address.PeerId is { } named ? named
            : throw ApiException.Bad($"'{text}' is not a peer id");
    }
}
