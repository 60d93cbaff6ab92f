using Ipcs.Bitswap;
using Ipcs.Blockstore;
using Ipcs.ContentApi;
using Ipcs.ContentApi.Reading;
using Ipcs.Dag.Read;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Security.Pnet;
using Ipcs.Libp2p.Swarm;
using Ipcs.Node.Discovery;
using Ipcs.Node.Metrics;
using Ipcs.Node.Options;
using Ipcs.Node.Repo;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Ipcs.Node.Daemon;

/// <summary>
/// One running node. Owns the store, the host and the doors; opens them in the order in which they lean on each other
/// (store, peers, containerd's socket, control API) and closes them the other way round.
/// </summary>
internal sealed partial class NodeDaemon : IAsyncDisposable
{
    /// <summary>Connections to the control API at once: each command is one, and a program that leaves them open must not starve the rest.</summary>
    private const int MaxApiConnections = 256;

    private readonly NodeOptions _options;
    private readonly ILoggerFactory _loggers;
    private readonly Stack<IAsyncDisposable> _open = new();

    public NodeDaemon(NodeOptions options, ILoggerFactory loggers)
    {
        _options = options;
        _loggers = loggers;
    }

    /// <summary>Opens every door and returns the line that says so.</summary>
    public async Task<string> StartAsync(CancellationToken cancellationToken)
    {
        ILogger<NodeDaemon> logger = _loggers.CreateLogger<NodeDaemon>();

        // A third of a start is the making of this server: it is made while the rest opens.
        ContentNeeds? needs = null;
        Task<WebApplication> content = Task.Run(() => ContentDoor(() => needs!), cancellationToken);
        KeyPair key = DataFolder.Prepare(_options.Data);
        if (DataFolder.IsKeyExposed(_options.Data))
        {
            LogKeyExposed(logger, DataFolder.KeyFile(_options.Data));
        }

        UnixDoor.Prepare(_options.ContentSocket);
        UnixDoor.Prepare(_options.ApiSocket);

        var work = new BulkWork();
        _open.Push(new Closing(work));
        IStore store = RocksStore.Open(DataFolder.StoreFolder(_options.Data));
        _open.Push(new Closing(store));
        var updates = new ContentUpdates(store);
        var host = new Libp2p.Swarm.Host(HostOptions(_options, key, _loggers));
        _open.Push(host);
        var bitswap = new BitswapService(host, store.Blocks, BitswapOptions(_options, work), _loggers.CreateLogger<BitswapService>());
        _open.Push(bitswap);
        var routing = new Routing.NodeRouting(_options, host, store, _loggers);
        _open.Push(routing);
        updates.Changed += routing.StoreChanged;
        var fleet = new Fleet.Fleet(host, store, updates, bitswap, _options.InfoBudget, TimeProvider.System, _loggers.CreateLogger<Fleet.Fleet>(), routing, work);
        _open.Push(fleet);

        needs = new ContentNeeds(store, fleet, updates);
        var collector = new GarbageCollector(
            store, updates, (await content).Services.GetRequiredService<IContentIngests>(), _loggers.CreateLogger<GarbageCollector>());
        _open.Push(new Closing(collector));
        var services = new NodeServices(_options, store, updates, host, bitswap, fleet)
        {
            Collector = collector,
            RecentReads = (await content).Services.GetRequiredService<RecentReads>(),
            Routing = routing,
        };
        _open.Push(new GcSchedule(
            collector, store, _options.GcInterval, _options.StorageMax, TimeProvider.System, _loggers.CreateLogger<GcSchedule>()));
        var doors = new Doors();
        _open.Push(doors);
        await doors.OpenAsync(await content, _options.ContentSocket, cancellationToken);
        WebApplication api = ApiDoor(services);
        await doors.OpenAsync(api, _options.ApiSocket, cancellationToken);

        if (_options.MetricsAddress is { } metrics)
        {
            _open.Push(await MetricsDoor.OpenAsync(services, metrics, _loggers, cancellationToken));
        }

        // Peers last: whoever connects finds everything in place.
        await host.StartAsync(cancellationToken);
        fleet.Resume();
        routing.Start();
        string listen = string.Join(',', host.ListenAddresses.Select(a => a.ToString()));
        string tcp = _options.ApiAddress is null ? "" : $" api-addr={TcpAddress(api)}";
        return $"ready peer={host.LocalPeer} listen={listen} content={_options.ContentSocket} api={_options.ApiSocket}{tcp}";
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        while (_open.TryPop(out IAsyncDisposable? part))
        {
            try
            {
                await part.DisposeAsync();
            }
            catch (Exception e)
            {
                // The rest must be closed all the same, the store above all.
                LogCloseFailed(_loggers.CreateLogger<NodeDaemon>(), part.GetType().Name, e);
            }
        }
    }

    /// <summary>What the host runs with.</summary>
    internal static Libp2p.Swarm.HostOptions HostOptions(NodeOptions options, KeyPair key, ILoggerFactory loggers) => new()
    {
        KeyPair = key,
        ListenAddresses = options.Listen,
        Peers = [.. options.Peers.Where(p => !HostNames.IsName(p))],
        Muxers = options.Muxers,
        SwarmKey = options.SwarmKey is { } file ? SwarmKey.Load(file) : null,
        Filter = new PeerFilter(options.Allow, options.Deny),
        Limits = options.Limits,
        AgentVersion = ProductVersion.Agent,
        Time = TimeProvider.System,
        Seed = Random.Shared.Next(),
        Logger = loggers.CreateLogger<Libp2p.Swarm.Host>(),
    };

    /// <summary>What Bitswap runs with.</summary>
    internal static BitswapOptions BitswapOptions(NodeOptions options, TaskScheduler work) => new()
    {
        UploadRate = options.UploadRate,
        DownloadRate = options.DownloadRate,
        IsLeaf = DagWalk.IsLeaf,
        Work = work,
    };

    /// <summary>Where the control API listens on TCP: the real port, where port 0 was asked for.</summary>
    private static string TcpAddress(WebApplication api) => new Uri(api.Urls.First(u => !u.Contains("://unix:", StringComparison.Ordinal))).Authority;

    private WebApplication ContentDoor(Func<ContentNeeds> needs)
    {
        WebApplicationBuilder builder = Builder(_options.ContentSocket, HttpProtocols.Http2);
        builder.Services.AddContentApi(needs, _options.Profile);
        WebApplication app = builder.Build();
        app.MapContentApi();
        return app;
    }

    private WebApplication ApiDoor(NodeServices node)
    {
        WebApplicationBuilder builder = Builder(_options.ApiSocket, HttpProtocols.Http1);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxConcurrentConnections = MaxApiConnections;
            if (_options.ApiAddress is { } address)
            {
                kestrel.Listen(address, listen => listen.Protocols = HttpProtocols.Http1);
            }
        });
        builder.Services.AddLargeBlocks();
        WebApplication app = builder.Build();
        new ControlApi.ControlApi(node, _loggers.CreateLogger<ControlApi.ControlApi>()).Map(app);
        return app;
    }

    private WebApplicationBuilder Builder(string socket, HttpProtocols protocols)
    {
        WebApplicationBuilder builder = Doors.NewBuilder(_loggers);
        builder.Services.AddSingleton<IHostLifetime, SilentLifetime>();
        builder.Services.Configure<Microsoft.Extensions.Hosting.HostOptions>(o => o.ShutdownTimeout = Timeout.InfiniteTimeSpan);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.ListenUnixSocket(socket, listen =>
            {
                listen.Protocols = protocols;
                listen.Use(next => connection =>
                {
                    SocketBuffers.Enlarge(connection.Features.Get<IConnectionSocketFeature>()!.Socket);
                    return next(connection);
                });
            });
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.AddServerHeader = false;
        });
        return builder;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{File} can be read or changed by others than its owner; it is this node's identity: chmod 600")]
    private static partial void LogKeyExposed(ILogger logger, string file);

    [LoggerMessage(Level = LogLevel.Error, Message = "closing {Part} failed")]
    private static partial void LogCloseFailed(ILogger logger, string part, Exception error);

    private sealed class Closing(IDisposable part) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            part.Dispose();
            return ValueTask.CompletedTask;
        }
    }

    /// <summary>The daemon itself hears the signals; the web hosts only start and stop when told.</summary>
    private sealed class SilentLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
