using System.Text.Json.Nodes;
using Ipcs.Bitswap;
using Ipcs.Blockstore;
using Ipcs.ContentApi;
using Ipcs.Dag;
using Ipcs.Libp2p;
using Ipcs.Node.Containerd;
using Ipcs.Node.Daemon;
using Ipcs.Oci;

namespace Ipcs.Node.ControlApi;

/// <summary>
/// The control API: every command but <c>daemon</c> as a POST under <c>/api/v0</c>. One place maps errors to answers,
/// <c>{"Message": …, "Code": 0, "Type": "error"}</c> as Kubo writes them.
/// </summary>
internal sealed partial class ControlApi(NodeServices node, ILogger<ControlApi> logger)
{
    /// <summary>Maps the routes.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        Post(routes, "id", Id);
        Post(routes, "version", Version);
        Post(routes, "ping", new SwarmApi(node).PingAsync);
        Post(routes, "ipcs/perf", new SwarmApi(node).PerfAsync);
        Post(routes, "swarm/peers", new SwarmApi(node).Peers);
        Post(routes, "swarm/connect", new SwarmApi(node).ConnectAsync);
        Post(routes, "swarm/disconnect", new SwarmApi(node).DisconnectAsync);
        Post(routes, "add", new FilesApi(node).AddAsync);
        Post(routes, "cat", new FilesApi(node).CatAsync);
        Post(routes, "block/get", new FilesApi(node).BlockGetAsync);
        Post(routes, "block/put", new FilesApi(node).BlockPutAsync);
        Post(routes, "block/stat", new FilesApi(node).BlockStatAsync);
        Post(routes, "repo/stat", RepoStat);
        Post(routes, "ipcs/content/ls", new ContentsApi(node).ListAsync);
        Post(routes, "ipcs/content/info", new ContentsApi(node).Info);
        Post(routes, "ipcs/content/resolve", new ContentsApi(node).ResolveAsync);
        Post(routes, "ipcs/convert", new ImagesApi(node).ConvertAsync);
        Post(routes, "ipcs/pull", new ImagesApi(node).PullAsync);
        routes.MapFallback(context => WriteErrorAsync(context, StatusCodes.Status404NotFound, $"no such command: {context.Request.Path}"));
    }

    private void Post(IEndpointRouteBuilder routes, string path, Func<ApiRequest, Task> handler) =>
        routes.MapPost("/api/v0/" + path, (RequestDelegate)(context => AnswerAsync(context, handler)));

    private async Task AnswerAsync(HttpContext context, Func<ApiRequest, Task> handler)
    {
        try
        {
            await handler(new ApiRequest(context));
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client is gone: nobody reads an answer.
        }
        catch (Exception e)
        {
            if (!IsExpected(e))
            {
                LogUnexpected(context.Request.Path, e);
            }

            await WriteErrorAsync(context, (e as ApiException)?.Status ?? StatusCodes.Status500InternalServerError, e.Message);
        }
    }

    private static bool IsExpected(Exception e) => e
        is ApiException or ConnectException or StreamResetException or BlockNotFoundException or BlockUnavailableException or DagFormatException
        or StoreException or ContentUnavailableException or ImageSourceException or ContainerdException or BadHttpRequestException or FormatException;

    private static async Task WriteErrorAsync(HttpContext context, int status, string message)
    {
        var error = new JsonObject { ["Message"] = message, ["Code"] = 0, ["Type"] = "error" };
        if (!context.Response.HasStarted)
        {
            context.Response.StatusCode = status;
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync(error.ToJsonString() + "\n");
        }
        else if (context.Response.ContentType == "application/json")
        {
            // A stream of JSON lines says it in its last line; in a stream of bytes only the cut-off connection can.
            await context.Response.WriteAsync(error.ToJsonString() + "\n");
        }
        else
        {
            context.Abort();
        }
    }

    private Task Id(ApiRequest request) => request.JsonAsync(new JsonObject
    {
        ["ID"] = node.Host.LocalPeer.ToString(),
        ["PublicKey"] = node.Host.LocalPeer.TryGetPublicKey(out byte[]? key) ? Convert.ToBase64String(key) : "",
        ["Addresses"] = new JsonArray([.. node.Host.AnnounceAddresses.Select(a => (JsonNode)a.WithPeer(node.Host.LocalPeer).ToString())]),
        ["AgentVersion"] = ProductVersion.Agent,
        ["Protocols"] = new JsonArray([.. node.Host.Protocols.Select(p => (JsonNode)p)]),
    });

    private Task Version(ApiRequest request) => request.JsonAsync(new JsonObject
    {
        ["Version"] = ProductVersion.Number,
        ["Commit"] = "",
        ["Repo"] = "1",
        ["System"] = System.Runtime.InteropServices.RuntimeInformation.RuntimeIdentifier,
    });

    private Task RepoStat(ApiRequest request)
    {
        StoreStatistics statistics = node.Store.GetStatistics();
        return request.JsonAsync(new JsonObject
        {
            ["RepoSize"] = statistics.Bytes,
            ["NumObjects"] = statistics.Blocks,
            ["NumContents"] = statistics.Contents,
            ["RepoPath"] = node.Options.Data,
            ["Version"] = "ipcs-repo@1",
        });
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Path} failed")]
    private partial void LogUnexpected(string path, Exception error);
}
