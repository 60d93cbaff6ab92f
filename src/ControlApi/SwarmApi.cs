using System.Globalization;
using System.Text.Json.Nodes;
using Ipcs.Libp2p;
using Ipcs.Libp2p.Perf;
using Ipcs.Libp2p.Ping;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;
using Host = Ipcs.Libp2p.Swarm.Host;

namespace Ipcs.ControlApi;

/// <summary><c>swarm peers</c>, <c>connect</c> and <c>disconnect</c>, <c>ping</c> and <c>perf</c>.</summary>
internal sealed class SwarmApi(Host host, TimeProvider time)
{
    /// <summary>How long a dial, its handshakes and identify may take together: less than the 40 s that the command promises.</summary>
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(30);

    /// <summary>How long one ping may take.</summary>
    private static readonly TimeSpan PingTimeout = TimeSpan.FromSeconds(10);

    /// <summary>How many bytes a throughput test sends each way by default.</summary>
    private const long DefaultPerfBytes = 256 << 20;

    /// <summary>The most bytes that a throughput test may send each way.</summary>
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

        using var deadline = new Deadline(time, ConnectTimeout, request.Aborted);
        PeerInfo peer;
        try
        {
            peer = await host.ConnectAsync(address, force: true, deadline.Token);
        }
        catch (OperationCanceledException) when (!request.Aborted.IsCancellationRequested)
        {
            throw new ApiException($"connect {text}: no answer within {ConnectTimeout.TotalSeconds} s");
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
            TimeSpan roundTrip = await PingOnceAsync(peer, request.Aborted);
            await request.LineAsync(new JsonObject { ["Success"] = true, ["Time"] = (long)roundTrip.TotalNanoseconds, ["Text"] = "" });
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
        using var deadline = new Deadline(time, PingTimeout, aborted);
        try
        {
            return await host.PingAsync(peer, deadline.Token);
        }
        catch (OperationCanceledException) when (!aborted.IsCancellationRequested)
        {
            throw new ApiException($"{peer} did not answer a ping within {PingTimeout.TotalSeconds} s");
        }
    }

    /// <summary>Connects to the peer when the request names it by an address.</summary>
    private async Task ConnectIfAddressAsync(ApiRequest request)
    {
        if (Multiaddr.TryParse(request.Arg(0, "peer"), out Multiaddr? address) && AddressResolver.CanDial(address))
        {
            await host.ConnectAsync(address, force: true, request.Aborted);
        }
    }

    /// <summary>The peer that the request names by its id or by an address with it.</summary>
    private static PeerId PeerArg(ApiRequest request)
    {
        string text = request.Arg(0, "peer");
        return PeerId.TryParse(text, out PeerId id) ? id
            : Multiaddr.TryParse(text, out Multiaddr? address) && address.PeerId is { } named ? named
            : throw ApiException.Bad($"'{text}' is not a peer id");
    }
}
