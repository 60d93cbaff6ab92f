using System.Text.Json.Nodes;
using Ipcs.Bitswap;
using Ipcs.Blockstore;
using Ipcs.ContentApi;
using Ipcs.Dag;
using Ipcs.Dag.Directories;
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
        Post(routes, "config/show", ConfigShow);
        Post(routes, "ping", new SwarmApi(node).PingAsync);
        Post(routes, "ipcs/perf", new SwarmApi(node).PerfAsync);
        Post(routes, "swarm/peers", new SwarmApi(node).Peers);
        Post(routes, "swarm/connect", new SwarmApi(node).ConnectAsync);
        Post(routes, "swarm/disconnect", new SwarmApi(node).DisconnectAsync);
        Post(routes, "routing/provide", new RoutingApi(node).ProvideAsync);
        Post(routes, "routing/findprovs", new RoutingApi(node).FindProvidersAsync);
        Post(routes, "routing/findpeer", new RoutingApi(node).FindPeerAsync);
        Post(routes, "add", new AddApi(node).AddAsync);
        Post(routes, "cat", new FilesApi(node).CatAsync);
        Post(routes, "get", new FilesApi(node).GetAsync);
        Post(routes, "ls", new FilesApi(node).ListAsync);
        Post(routes, "refs", new DagApi(node).RefsAsync);
        Post(routes, "dag/stat", new DagApi(node).StatAsync);
        Post(routes, "dag/export", new DagApi(node).ExportAsync);
        Post(routes, "dag/import", new DagApi(node).ImportAsync);
        Post(routes, "block/get", new BlocksApi(node).GetAsync);
        Post(routes, "block/put", new BlocksApi(node).PutAsync);
        Post(routes, "block/stat", new BlocksApi(node).StatAsync);
        Post(routes, "block/rm", new BlocksApi(node).RemoveAsync);
        Post(routes, "bitswap/stat", new BitswapApi(node).Stat);
        Post(routes, "bitswap/ledger", new BitswapApi(node).Ledger);
        Post(routes, "bitswap/wantlist", new BitswapApi(node).Wantlist);
        Post(routes, "repo/stat", new RepoApi(node).Stat);
        Post(routes, "repo/gc", new RepoApi(node).GcAsync);
        Post(routes, "repo/verify", new RepoApi(node).VerifyAsync);
        Post(routes, "pin/add", new PinsApi(node).AddAsync);
        Post(routes, "pin/rm", new PinsApi(node).Remove);
        Post(routes, "pin/ls", new PinsApi(node).ListAsync);
        Post(routes, "ipcs/content/ls", new ContentsApi(node).ListAsync);
        Post(routes, "ipcs/content/info", new ContentsApi(node).Info);
        Post(routes, "ipcs/content/reading", new ContentsApi(node).ReadingAsync);
        Post(routes, "ipcs/content/failed", new ContentsApi(node).FailedAsync);
        Post(routes, "ipcs/content/resolve", new ContentsApi(node).ResolveAsync);
        Post(routes, "ipcs/add", new AddApi(node).AddPassedAsync);
        Post(routes, "ipcs/convert", new ConvertApi(node).ConvertAsync);
        Post(routes, "ipcs/compare", new CompareApi(node).CompareAsync);
        Post(routes, "ipcs/pull", new ImagesApi(node).PullAsync);
        routes.MapFallback("{*path}", NoSuchCommandAsync);
    }

    private void Post(IEndpointRouteBuilder routes, string path, Func<ApiRequest, Task> handler) =>
        routes.MapPost("/api/v0/" + path, (RequestDelegate)(context => AnswerAsync(context, handler)));

    /// <summary>Kubo too takes POST alone: a page in a browser can send a GET anywhere.</summary>
    private static Task NoSuchCommandAsync(HttpContext context)
    {
        if (HttpMethods.IsPost(context.Request.Method))
        {
            return WriteErrorAsync(context, StatusCodes.Status404NotFound, $"no such command: {context.Request.Path}");
        }

        context.Response.Headers.Allow = HttpMethods.Post;
        return WriteErrorAsync(context, StatusCodes.Status405MethodNotAllowed, "commands are called by POST");
    }

    private async Task AnswerAsync(HttpContext context, Func<ApiRequest, Task> handler)
    {
        if (!OriginCheck.Allows(context))
        {
            await WriteErrorAsync(context, StatusCodes.Status403Forbidden, "forbidden: neither a page of another origin nor a name that is no address may call commands");
            return;
        }

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
        or DagPathException or StoreException or ContentUnavailableException or ImageSourceException or ContainerdException or BadHttpRequestException or FormatException;

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

    private Task ConfigShow(ApiRequest request) => request.JsonAsync(Ipcs.Node.Options.ConfigFile.Document(node.Options));

    [LoggerMessage(Level = LogLevel.Error, Message = "{Path} failed")]
    private partial void LogUnexpected(string path, Exception error);
}
