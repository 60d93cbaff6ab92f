using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Multiformats;
using Ipcs.Node.Daemon;

namespace Ipcs.Node.ControlApi;

/// <summary><c>content …</c>: what containerd owns, and where in the fleet a digest is.</summary>
internal sealed class ContentsApi(NodeServices node)
{
    public async Task ListAsync(ApiRequest request)
    {
        request.Context.Response.ContentType = "application/json";
        foreach (ContentRecord record in node.Store.Contents.Enumerate())
        {
            if (record.Owned)
            {
                await request.LineAsync(Document(record));
            }
        }
    }

    public Task Info(ApiRequest request)
    {
        Digest digest = request.DigestArg(0);
        return node.Store.Contents.Get(digest) is { } record
            ? request.JsonAsync(Document(record))
            : throw new ApiException($"{digest} is not here");
    }

    public async Task ResolveAsync(ApiRequest request)
    {
        Digest digest = request.DigestArg(0);
        var providers = new JsonArray();
        if (node.Store.Contents.Get(digest) is { } here)
        {
            providers.Add((JsonNode)Provider(node.Host.LocalPeer, here));
        }

        foreach ((PeerId peer, ContentRecord record) in await node.Fleet.LocateAsync(digest, request.Aborted))
        {
            providers.Add((JsonNode)Provider(peer, record));
        }

        if (providers.Count == 0)
        {
            throw new ApiException($"{digest}: neither this node nor any of the {node.Host.Peers.Count} connected peers has it");
        }

        await request.JsonAsync(new JsonObject { ["digest"] = digest.ToString(), ["providers"] = providers });
    }

    private static JsonObject Provider(PeerId peer, ContentRecord record)
    {
        JsonObject document = Document(record);
        document.Remove("digest");
        document.Insert(0, "peer", peer.ToString());
        return document;
    }

    private static JsonObject Document(ContentRecord record) => new()
    {
        ["digest"] = record.Digest.ToString(),
        ["size"] = record.Size,
        ["kind"] = record.Kind == ContentKind.Dag ? "dag" : "blob",
        ["root"] = record.Root.ToString(),
        ["complete"] = record.Complete,
    };
}
