using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Fleet.Routing;
using Ipcs.Kademlia;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.ControlApi;

/// <summary>
/// <c>routing findprovs</c>, <c>findpeer</c> and <c>provide</c>. As in Kubo, a response is JSON lines with a <c>Type</c> (2 for the peer
/// that was looked for, 4 for a provider) and <c>Responses</c>. Spec: https://docs.ipfs.tech/reference/kubo/rpc/#api-v0-routing-findprovs.
/// </summary>
internal sealed class RoutingApi(IStore store, NodeRouting routing, TimeProvider time)
{
    private const int FinalPeer = 2;
    private const int Provider = 4;

    /// <summary>The most providers in one response.</summary>
    private const long MaxProviders = 1000;

    /// <summary>How long one command may search.</summary>
    private static readonly TimeSpan SearchTimeout = TimeSpan.FromSeconds(60);

    public async Task FindProvidersAsync(ApiRequest request)
    {
        Multihash key = KeyArg(request);
        long wanted = request.Number("num-providers") ?? 20;
        if (wanted is < 1 or > MaxProviders)
        {
            throw ApiException.Bad($"option num-providers: {wanted} is not from 1 to {MaxProviders}");
        }

        using var deadline = new Deadline(time, SearchTimeout, request.Aborted);
        request.Context.Response.ContentType = "application/json";
        try
        {
            await foreach (AddrInfo provider in Dht.FindProvidersAsync(key, deadline.Token))
            {
                await request.LineAsync(Event(Provider, provider));
                if (--wanted == 0)
                {
                    return;
                }
            }
        }
        catch (OperationCanceledException) when (!request.Aborted.IsCancellationRequested)
        {
            // The providers that were found in time have been sent.
        }
    }

    public async Task FindPeerAsync(ApiRequest request)
    {
        string text = request.Arg(0, "peer");
        PeerId peer = PeerId.TryParse(text, out PeerId id) ? id : throw ApiException.Bad($"'{text}' is not a peer id");
        using var deadline = new Deadline(time, SearchTimeout, request.Aborted);
        try
        {
            AddrInfo found = await Dht.FindPeerAsync(peer, deadline.Token)
                ?? throw new ApiException($"{peer}: none of the peers that were queried knows it");
            await request.LineAsync(Event(FinalPeer, found));
        }
        catch (OperationCanceledException) when (!request.Aborted.IsCancellationRequested)
        {
            throw new ApiException($"{peer} was not found within {SearchTimeout.TotalSeconds} s");
        }
    }

    public async Task ProvideAsync(ApiRequest request)
    {
        Multihash key = KeyArg(request);
        bool here = store.Blocks.Has(key)
            || (Digest.TryParse(request.Arg(0, "key"), out Digest digest) && store.Contents.Get(digest) is { Complete: true });
        if (!here)
        {
            throw new ApiException($"{request.Arg(0, "key")} is not here, so it can't be announced");
        }

        using var deadline = new Deadline(time, SearchTimeout, request.Aborted);
        int peers;
        try
        {
            peers = await Dht.ProvideAsync(key, deadline.Token);
        }
        catch (OperationCanceledException) when (!request.Aborted.IsCancellationRequested)
        {
            throw new ApiException($"the announcement was not done within {SearchTimeout.TotalSeconds} s");
        }

        if (peers == 0)
        {
            throw new ApiException("no peer of the DHT is reachable");
        }

        await request.LineAsync(new JsonObject { ["Extra"] = $"{peers}", ["ID"] = "", ["Responses"] = null, ["Type"] = Provider });
    }

    private Dht Dht => routing.Dht ?? throw new ApiException("the DHT is off (option dht)");

    private static JsonObject Event(int type, AddrInfo record) => new()
    {
        ["Extra"] = "",
        ["ID"] = "",
        ["Responses"] = new JsonArray(new JsonObject
        {
            ["Addrs"] = new JsonArray([.. record.Addresses.Select(a => (JsonNode)a.ToString())]),
            ["ID"] = record.Peer.ToString(),
        }),
        ["Type"] = type,
    };

    /// <summary>The key of a CID or a digest.</summary>
    private static Multihash KeyArg(ApiRequest request) =>
        Digest.TryParse(request.Arg(0, "key"), out Digest digest) ? digest.Hash : request.CidArg(0).Hash;
}
