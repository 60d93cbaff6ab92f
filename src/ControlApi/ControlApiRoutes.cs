using System.Text.Json.Nodes;
using Ipcs.Bitswap.Exchange;
using Ipcs.Blockstore;
using Ipcs.Dag.Gc;
using Ipcs.Dag.Read;
using Ipcs.Fleet;
using Ipcs.Fleet.Routing;
using Host = Ipcs.Libp2p.Swarm.Host;

namespace Ipcs.ControlApi;

/// <summary>
/// The control API: Kubo's RPC for the commands that Kubo has, and commands of ipcs under <c>/api/v0/ipcs/</c>. Each is a POST. Exceptions
/// become responses here.
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
    private readonly TokenCheck _token = new(options.Token);

    /// <summary>Maps the routes.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        var sources = new RequestBlockSources(store, catalog, fetcher, host, time);
        var swarm = new SwarmApi(host, time);
        var routingApi = new RoutingApi(store, routing, time);
        var add = new AddApi(store);
        var files = new FilesApi(sources);
        var dag = new DagApi(store, sources);
        var blocks = new BlocksApi(store, sources);
        var bitswapApi = new BitswapApi(host, bitswap, store);
        var repo = new RepoApi(options, store, collector, fetcher);
        var pins = new PinsApi(store, fetcher, time);
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
        Post(routes, "ipcs/content/reading", contents.FindByPrefixAsync);
        Post(routes, "ipcs/content/failed", contents.FailedAsync);
        Post(routes, "ipcs/content/resolve", contents.ResolveAsync);
        Post(routes, "ipcs/add", add.AddPassedAsync);
        Post(routes, "ipcs/convert", new ConvertApi(options, store, catalog, time).ConvertAsync);
        Post(routes, "ipcs/compare", new CompareApi(options, store, time).CompareAsync);
        Post(routes, "ipcs/pull", new PullApi(options, host, store, catalog, fetcher, time).PullAsync);
        Post(routes, "ipcs/containerd/check", new ContainerdCheckApi(options, store, catalog, fetcher, time).CheckAsync);
        routes.MapFallback("{*path}", context => GuardAsync(context, NoSuchCommandAsync));
    }

    private void Post(IEndpointRouteBuilder routes, string path, Func<ApiRequest, Task> handler) =>
        routes.MapPost(
            "/api/v0/" + path, (RequestDelegate)(context => GuardAsync(context, passed => AnswerAsync(passed, handler, logger))));

    private Task GuardAsync(HttpContext context, RequestDelegate next) => _token.Allows(context) ? next(context) : RefuseAsync(context);

    private static Task RefuseAsync(HttpContext context)
    {
        context.Response.Headers.WWWAuthenticate = "Bearer";
        return ErrorResponse.WriteAsync(
            context, StatusCodes.Status401Unauthorized, "the control API needs the header Authorization: Bearer TOKEN (option api-token)");
    }

    /// <summary>Only POST is allowed, as in Kubo, since a web page can make a browser send a GET to any address.</summary>
    private static Task NoSuchCommandAsync(HttpContext context)
    {
        if (HttpMethods.IsPost(context.Request.Method))
        {
            return ErrorResponse.WriteAsync(context, StatusCodes.Status404NotFound, $"no such command: {context.Request.Path}");
        }

        context.Response.Headers.Allow = HttpMethods.Post;
        return ErrorResponse.WriteAsync(context, StatusCodes.Status405MethodNotAllowed, "commands are called by POST");
    }

    /// <summary>
    /// Runs the handler of a request, and answers with the error if it fails. An error that is not the daemon's own is logged without a
    /// stack trace, and only when the client was not sent it.
    /// </summary>
    internal static async Task AnswerAsync(HttpContext context, Func<ApiRequest, Task> handler, ILogger logger)
    {
        if (!OriginCheck.Allows(context))
        {
            await ErrorResponse.WriteAsync(
                context, StatusCodes.Status403Forbidden, "forbidden: a page of another origin, or a Host that is not an address");
            return;
        }

        try
        {
            await handler(new ApiRequest(context));
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client has disconnected, or the daemon stops: no client may take what it has for the whole.
            context.Abort();
        }
        catch (Exception e)
        {
            if (!IsExpected(e))
            {
                LogUnexpected(logger, context.Request.Path, e);
            }

            int status = (e as ApiException)?.Status ?? StatusCodes.Status500InternalServerError;
            if (!await ErrorResponse.WriteAsync(context, status, e.Message) && IsExpected(e))
            {
                LogCutOff(logger, context.Request.Path, e.Message);
            }
        }
    }

    /// <summary>
    /// True for what the request, a peer, a registry or the disk is to blame for. Peers break any protocol in any of its layers, so this is
    /// every <see cref="IOException"/>.
    /// </summary>
    private static bool IsExpected(Exception e) =>
        e is ApiException or IOException or InvalidDataException or FormatException or UnauthorizedAccessException;

    private Task Id(ApiRequest request) => request.JsonAsync(new JsonObject
    {
        ["ID"] = host.LocalPeer.ToString(),
        ["PublicKey"] = host.LocalPeer.TryGetPublicKey(out byte[]? key) ? Convert.ToBase64String(key) : "",
        ["Addresses"] = new JsonArray([.. host.AnnounceAddresses.Select(a => (JsonNode)a.WithPeer(host.LocalPeer).ToString())]),
        ["AgentVersion"] = options.AgentVersion,
        ["Protocols"] = new JsonArray([.. host.Protocols.Select(p => (JsonNode)p)]),
        ["OpenToAnyHost"] = options.IsOpen,
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
    private static partial void LogUnexpected(ILogger logger, string path, Exception error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path}: connection closed in the middle of the response: {Reason}")]
    private static partial void LogCutOff(ILogger logger, string path, string reason);
}
