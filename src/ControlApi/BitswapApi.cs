using System.Text.Json.Nodes;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Exchange;
using Ipcs.Blockstore;
using Ipcs.Multiformats;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.ControlApi;

/// <summary>
/// <c>bitswap stat</c>, <c>ledger</c> and <c>wantlist</c>. Spec: https://docs.ipfs.tech/reference/kubo/rpc/#api-v0-bitswap-stat.
/// </summary>
internal sealed class BitswapApi(IHost host, BitswapService bitswap, IStore store)
{
    public Task Stat(ApiRequest request)
    {
        BitswapStatistics statistics = bitswap.Statistics;
        return request.JsonAsync(new JsonObject
        {
            ["Wantlist"] = Links(bitswap.Wantlist()),
            ["Peers"] = new JsonArray([.. host.Peers.Select(p => (JsonNode)p.Peer.ToString())]),
            ["BlocksReceived"] = statistics.BlocksReceived,
            ["DataReceived"] = statistics.BytesReceived,
            ["DupBlksReceived"] = statistics.DuplicateBlocks,
            ["DupDataReceived"] = statistics.DuplicateBytes,
            ["MessagesReceived"] = statistics.MessagesReceived,
            ["BlocksSent"] = statistics.BlocksSent,
            ["DataSent"] = statistics.BytesSent,
            ["ProvideBufLen"] = store.Provides.Count,
        });
    }

    public Task Ledger(ApiRequest request)
    {
        PeerId peer = ParsePeer(request.Arg(0, "peer"));
        Ledger? ledger = bitswap.LedgerOf(peer);
        long sent = ledger?.Sent ?? 0, received = ledger?.Received ?? 0;
        return request.JsonAsync(new JsonObject
        {
            ["Peer"] = peer.ToString(),

            // Kubo's debt ratio.
            ["Value"] = (double)sent / (received + 1),
            ["Sent"] = sent,
            ["Recv"] = received,
            ["Exchanged"] = ledger?.Exchanged ?? 0,
        });
    }

    public Task Wantlist(ApiRequest request)
    {
        bool ours = request.Option("peer") is not { Length: > 0 } text || ParsePeer(text) == host.LocalPeer;
        return request.JsonAsync(new JsonObject
        {
            ["Keys"] = Links(ours ? bitswap.Wantlist() : bitswap.WantlistOf(ParsePeer(request.Option("peer")!))),
        });
    }

    private static JsonArray Links(IReadOnlyList<Cid> cids) =>
        new([.. cids.Select(c => (JsonNode)new JsonObject { ["/"] = c.ToString() })]);

    private static PeerId ParsePeer(string text) =>
        PeerId.TryParse(text, out PeerId peer) ? peer : throw ApiException.Bad($"'{text}' is not a peer id");
}
