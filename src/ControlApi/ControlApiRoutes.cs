using System.Text.Json.Nodes;
using Ipcs.Bitswap;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Directories;
using Ipcs.Dag.Gc;
using Ipcs.Dag.Read;
using Ipcs.Fleet;
using Ipcs.Fleet.Routing;
using Ipcs.Libp2p;
using Ipcs.Oci;
using Ipcs.Oci.Containerd;
using Host = Ipcs.Libp2p.Swarm.Host;

namespace Ipcs.ControlApi;

/// <summary>
/// The control API: every command but <c>daemon</c> as a POST under <c>/api/v0</c>. One place maps errors to answers,
/// <c>{"Message": …, "Code": 0, "Type": "error"}</c> as Kubo writes them.
/// </summary>
public sealed partial class ControlApiRoutes(
    ControlApiOptions options,
    Host host,
    IStore store,
    ContentCatalog catalog,
    BitswapService bitswap,
    ContentFetcher fetcher,
    NodeRouting routing,
    GarbageCollector collector,
    RecentReads recentReads,
    TimeProvider time,
    ILogger<ControlApiRoutes> logger)
{
    /// <summary>Maps the routes.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        var sources = new RequestBlockSources(store, catalog, fetcher, host, time);
        var swarm = new SwarmApi(host);
        var routingApi = new RoutingApi(store, routing);
        var add = new AddApi(store);
        var files = new FilesApi(sources);
        var dag = new DagApi(store, sources);
        var blocks = new BlocksApi(store, sources);
        var bitswapApi = new BitswapApi(host, bitswap, store);
        var repo = new RepoApi(options, store, collector);
        var pins = new PinsApi(store, fetcher);
        var contents = new ContentsApi(host, store, fetcher, recentReads);
        Post(routes, "id", Id);
        Post(routes, "version", Version);
        Post(routes, "config/show", ConfigShow);
        Post(routes, "ping", swarm.PingAsync);
        Post(routes, "ipcs/perf", swarm.PerfAsync);
        Post(routes, "swarm/peers", swarm.Peers);
        Post(routes, "swarm/connect", swarm.ConnectAsync);
        Post(routes, "swarm/disconnect", swarm.DisconnectAsync);
        Post(routes, "routing/provide", routingApi.ProvideAsync);
        Post(routes, "routing/findprovs", routingApi.FindProvidersAsync);
        Post(routes, "routing/findpeer", routingApi.FindPeerAsync);
        Post(routes, "add", add.AddAsync);
        Post(routes, "cat", files.CatAsync);
        Post(routes, "get", files.GetAsync);
        Post(routes, "ls", files.ListAsync);
        Post(routes, "refs", dag.RefsAsync);
        Post(routes, "dag/stat", dag.StatAsync);
        Post(routes, "dag/export", dag.ExportAsync);
        Post(routes, "dag/import", dag.ImportAsync);
        Post(routes, "block/get", blocks.GetAsync);
        Post(routes, "block/put", blocks.PutAsync);
        Post(routes, "block/stat", blocks.StatAsync);
        Post(routes, "block/rm", blocks.RemoveAsync);
        Post(routes, "bitswap/stat", bitswapApi.Stat);
        Post(routes, "bitswap/ledger", bitswapApi.Ledger);
        Post(routes, "bitswap/wantlist", bitswapApi.Wantlist);
        Post(routes, "repo/stat", repo.Stat);
        Post(routes, "repo/gc", repo.GcAsync);
        Post(routes, "repo/verify", repo.VerifyAsync);
        Post(routes, "pin/add", pins.AddAsync);
        Post(routes, "pin/rm", pins.Remove);
        Post(routes, "pin/ls", pins.ListAsync);
        Post(routes, "ipcs/content/ls", contents.ListAsync);
        Post(routes, "ipcs/content/info", contents.Info);
        Post(routes, "ipcs/content/reading", contents.ReadingAsync);
        Post(routes, "ipcs/content/failed", contents.FailedAsync);
        Post(routes, "ipcs/content/resolve", contents.ResolveAsync);
        Post(routes, "ipcs/add", add.AddPassedAsync);
        Post(routes, "ipcs/convert", new ConvertApi(options.Containerd, store, catalog, time).ConvertAsync);
        Post(routes, "ipcs/compare", new CompareApi(options.Containerd, store, time).CompareAsync);
        Post(routes, "ipcs/pull", new ImagesApi(options, host, store, catalog, fetcher, time).PullAsync);
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
        ["ID"] = host.LocalPeer.ToString(),
        ["PublicKey"] = host.LocalPeer.TryGetPublicKey(out byte[]? key) ? Convert.ToBase64String(key) : "",
        ["Addresses"] = new JsonArray([.. host.AnnounceAddresses.Select(a => (JsonNode)a.WithPeer(host.LocalPeer).ToString())]),
        ["AgentVersion"] = options.AgentVersion,
        ["Protocols"] = new JsonArray([.. host.Protocols.Select(p => (JsonNode)p)]),
    });

    private Task Version(ApiRequest request) => request.JsonAsync(new JsonObject
    {
        ["Version"] = options.Version,
        ["Commit"] = "",
        ["Repo"] = "1",
        ["System"] = System.Runtime.InteropServices.RuntimeInformation.RuntimeIdentifier,
    });

    private Task ConfigShow(ApiRequest request) => request.JsonAsync(options.Config());

    [LoggerMessage(Level = LogLevel.Error, Message = "{Path} failed")]
    private partial void LogUnexpected(string path, Exception error);
}
