using System.Globalization;
using System.Text.Json.Nodes;
using Ipcs.Libp2p;
using Ipcs.Libp2p.Perf;
using Ipcs.Libp2p.Ping;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;
using Host = Ipcs.Libp2p.Swarm.Host;

namespace Ipcs.ControlApi;

/// <summary><c>swarm …</c>, <c>ping</c> and <c>perf</c>.</summary>
internal sealed class SwarmApi(Host host)
{
    /// <summary>A dial, its handshakes and identify together: under the 40 s that the command promises.</summary>
    private static readonly TimeSpan ConnectTime = TimeSpan.FromSeconds(30);

    /// <summary>How long one ping may take.</summary>
    private static readonly TimeSpan PingTime = TimeSpan.FromSeconds(10);

    /// <summary>What a throughput test sends each way when nothing is said, in bytes.</summary>
    private const long DefaultPerfBytes = 256 << 20;

    /// <summary>The most that one may send each way, in bytes.</summary>
    private const long MaxPerfBytes = 1L << 40;

    /// <summary>The most pings in one request.</summary>
    private const long MaxPings = 10_000;

    public Task Peers(ApiRequest request) => request.JsonAsync(new JsonObject
    {
        ["Peers"] = new JsonArray([.. host.Peers.Select(p => (JsonNode)new JsonObject
        {
            ["Addr"] = p.Address.ToString(),
            ["Peer"] = p.Peer.ToString(),
            ["Direction"] = p.Inbound ? 1 : 2,
            ["Muxer"] = p.Muxer,
            ["Latency"] = p.Latency is { } latency ? latency.TotalMilliseconds.ToString("F2", CultureInfo.InvariantCulture) + "ms" : "n/a",
            ["Identify"] = new JsonObject
            {
                ["ID"] = p.Peer.ToString(),
                ["Addresses"] = new JsonArray([.. p.ListenAddresses.Select(a => (JsonNode)a.ToString())]),
                ["AgentVersion"] = p.AgentVersion,
                ["Protocols"] = new JsonArray([.. p.Protocols.Select(x => (JsonNode)x)]),
            },
        })]),
    });

    public async Task ConnectAsync(ApiRequest request)
    {
        string text = request.Arg(0, "address");
        if (!Multiaddr.TryParse(text, out Multiaddr? address) || !AddressResolver.CanDial(address))
        {
            throw ApiException.Bad($"'{text}' is not a TCP multiaddr such as /ip4/10.0.0.1/tcp/4001/p2p/12D3…");
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(request.Aborted);
        limit.CancelAfter(ConnectTime);
        PeerInfo peer;
        try
        {
            peer = await host.ConnectAsync(address, force: true, limit.Token);
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
        if (!await host.DisconnectAsync(peer))
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

        await ConnectIfAddressAsync(request);
        for (long i = 0; i < count; i++)
        {
            TimeSpan time = await PingOnceAsync(peer, request.Aborted);
            await request.LineAsync(new JsonObject { ["Success"] = true, ["Time"] = (long)time.TotalNanoseconds, ["Text"] = "" });
        }
    }

    public async Task PerfAsync(ApiRequest request)
    {
        PeerId peer = PeerArg(request);
        long upload = Bytes(request, "upload"), download = Bytes(request, "download");
        await ConnectIfAddressAsync(request);
        PerfResult result = await host.PerfAsync(peer, upload, download, request.Aborted);
        await request.JsonAsync(new JsonObject
        {
            ["Peer"] = peer.ToString(),
            ["Muxer"] = host.Peers.FirstOrDefault(p => p.Peer == peer)?.Muxer,
            ["UploadBytes"] = upload,
            ["UploadSeconds"] = result.Upload.TotalSeconds,
            ["DownloadBytes"] = download,
            ["DownloadSeconds"] = result.Download.TotalSeconds,
        });
    }

    private static long Bytes(ApiRequest request, string option)
    {
        long bytes = request.Number(option) ?? DefaultPerfBytes;
        return bytes <= MaxPerfBytes ? bytes : throw ApiException.Bad($"option {option}: {bytes} is more than {MaxPerfBytes}");
    }

    private async Task<TimeSpan> PingOnceAsync(PeerId peer, CancellationToken aborted)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(aborted);
        limit.CancelAfter(PingTime);
        try
        {
            return await host.PingAsync(peer, limit.Token);
        }
        catch (OperationCanceledException) when (!aborted.IsCancellationRequested)
        {
            throw new ApiException($"{peer} does not answer a ping within {PingTime.TotalSeconds} s");
        }
    }

    /// <summary>A peer given by its address need not be connected yet.</summary>
    private async Task ConnectIfAddressAsync(ApiRequest request)
    {
        if (Multiaddr.TryParse(request.Arg(0, "peer"), out Multiaddr? address) && AddressResolver.CanDial(address))
        {
            await host.ConnectAsync(address, force: true, request.Aborted);
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
