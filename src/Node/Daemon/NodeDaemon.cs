using Ipcs.ControlApi;
using Microsoft.AspNetCore.Connections;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Exchange;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Posix;
using Ipcs.Blockstore.Rocks;
using Ipcs.ContentApi.Hosting;
using Ipcs.ContentApi;
using Ipcs.Dag.Gc;
using Ipcs.Dag.Read;
using Ipcs.Fleet;
using Ipcs.Fleet.Discovery;
using Ipcs.Fleet.Routing;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Security.Pnet;
using Ipcs.Libp2p.Swarm;
using Ipcs.Node.Listeners;
using Ipcs.Node.Native;
using Ipcs.Node.Options;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Ipcs.Node.Daemon;

/// <summary>
/// A running node: creates and connects all parts. Owns them, starts them in the order of their dependencies (store, host, content socket,
/// control API, peers) and closes them in reverse order.
/// </summary>
internal sealed partial class NodeDaemon : IAsyncDisposable
{
    /// <summary>The most connections to the control API at once. Each command of a user is one.</summary>
    private const int MaxApiConnections = 256;

    private readonly NodeOptions _options;
    private readonly ILoggerFactory _loggers;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly Stack<IAsyncDisposable> _open = new();
    private readonly TaskCompletionSource<StoreException> _broken = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Creates a node that is not started.</summary>
    /// <param name="options">The node's options.</param>
    /// <param name="loggers">The loggers of all parts.</param>
    /// <param name="time">The clock of all parts.</param>
    /// <param name="random">Where each part takes its seed from.</param>
    public NodeDaemon(NodeOptions options, ILoggerFactory loggers, TimeProvider time, Random random)
    {
        _options = options;
        _loggers = loggers;
        _time = time;
        _random = random;
    }

    /// <summary>Completes when the store takes no more writes until it is opened again: the node must end.</summary>
    public Task<StoreException> Broken => _broken.Task;

    /// <summary>Starts the node and returns the ready line, which says where it listens.</summary>
    public async Task<string> StartAsync(CancellationToken cancellationToken)
    {
        ILogger<NodeDaemon> logger = _loggers.CreateLogger<NodeDaemon>();

        string? token = ApiToken.Load(_options, logger);
        var storeOptions = new RocksStoreOptions();
        ulong descriptors = DescriptorLimit.Raise();
        DescriptorBudget budget = DescriptorBudget.Of(descriptors, storeOptions.MaxOpenFiles, _options.Limits);
        if (budget.Limits != _options.Limits)
        {
            LogLimitsLowered(
                logger, descriptors, budget.Limits.MaxConnections, _options.Limits.MaxConnections, budget.Limits.MaxPendingInbound,
                budget.Limits.MaxPendingOutbound);
            _options.Limits = budget.Limits;
        }

        // Building this server takes a third of the start-up time, so it is built while the store is opened.
        ContentDependencies? dependencies = null;
        var retention = new Retention(_options.Retain, () => DiskUse(_options.Data), _time);
        Task<WebApplication> content = Task.Run(() => ContentListener(() => dependencies!, retention), cancellationToken);
        KeyPair key = DataFolder.Prepare(_options.Data);
        if (DataFolder.IsKeyExposed(_options.Data))
        {
            LogKeyExposed(logger, DataFolder.KeyFile(_options.Data));
        }

        string swarmKey = DataFolder.SwarmKeyFile(_options.Data);
        if (_options.SwarmKey is null && File.Exists(swarmKey))
        {
            _options.SwarmKey = swarmKey;
        }

        if (Exposure.IsOpen(_options))
        {
            LogOpen(logger, string.Join(", ", _options.Listen.Select(a => a.ToString())), swarmKey);
        }

        UnixListener.Prepare(_options.ContentSocket);
        UnixListener.Prepare(_options.ApiSocket);

        var work = new BackgroundScheduler();
        _open.Push(new Closing(work));
        RocksStore rocks = RocksStore.Open(
            DataFolder.StoreFolder(_options.Data),
            storeOptions with { MaxOpenFiles = budget.StoreFiles, OnMigration = line => LogMigration(logger, line) });
        rocks.Broken += failure => _broken.TrySetResult(failure);
        IStore store = rocks;
        _open.Push(new Closing(store));
        var catalog = new ContentCatalog(store);
        var host = new Libp2p.Swarm.Host(HostOptions(_options, key, _loggers, _time, _random.Next()));
        _open.Push(host);
        BitswapOptions bitswapOptions = BitswapOptions(_options, work, _random.Next());
        var bitswap = new BitswapService(host, store.Blocks, bitswapOptions, _loggers.CreateLogger<BitswapService>());
        _open.Push(bitswap);
        var routing = new NodeRouting(RoutingOptions(_options), host, store, _time, _random, _loggers);
        _open.Push(routing);
        catalog.Changed += routing.StoreChanged;
        var fetcher = new ContentFetcher(
            host,
            store,
            catalog,
            bitswap,
            _options.Profile,
            _options.FindTime,
            _time,
            _loggers.CreateLogger<ContentFetcher>(),
            routing,
            work);
        _open.Push(fetcher);

        dependencies = new ContentDependencies(store, new ContentFleet(fetcher), catalog);
        var collector = new GarbageCollector(
            store,
            catalog,
            (await content).Services.GetRequiredService<IIngestRoots>(),
            _time,
            _loggers.CreateLogger<GarbageCollector>());
        _open.Push(new Closing(collector));
        _open.Push(new GcSchedule(
            collector, store, _options.GcInterval, _options.StorageMax, retention, _time, _loggers.CreateLogger<GcSchedule>()));
        var listeners = new ListenerSet(_time);
        _open.Push(listeners);
        await listeners.OpenAsync(await content, _options.ContentSocket, cancellationToken);
        var routes = new ControlApiRoutes(
            ControlApiOptions(_options) with { Token = token }, host, store, catalog, bitswap, fetcher, routing, collector,
            (await content).Services.GetRequiredService<RecentReads>(), _time, _loggers.CreateLogger<ControlApiRoutes>());
        WebApplication api = ApiListener(routes);
        await listeners.OpenAsync(api, _options.ApiSocket, cancellationToken);

        if (_options.MetricsAddress is { } metrics)
        {
            _open.Push(await MetricsEndpoint.OpenAsync(store, fetcher, host, collector, metrics, _loggers, cancellationToken));
        }

        // Peers last: their requests need all other parts.
        await host.StartAsync(cancellationToken);
        fetcher.Resume();
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
                // The other parts must be closed too, above all the store.
                LogCloseFailed(_loggers.CreateLogger<NodeDaemon>(), part.GetType().Name, e);
            }
        }
    }

    /// <summary>The options of the libp2p host.</summary>
    internal static Libp2p.Swarm.HostOptions HostOptions(
        NodeOptions options, KeyPair key, ILoggerFactory loggers, TimeProvider time, int seed) => new()
    {
        KeyPair = key,
        ListenAddresses = options.Listen,
        Peers = [.. options.Peers.Where(p => !HostNames.IsName(p))],
        Muxers = options.Muxers,
        SwarmKey = options.SwarmKey is { } file ? SwarmKey.Load(file) : null,
        Filter = new PeerFilter(options.Allow, options.Deny),
        Limits = options.Limits,
        AgentVersion = ProductVersion.Agent,
        Time = time,
        Seed = seed,
        Logger = loggers.CreateLogger<Libp2p.Swarm.Host>(),
    };

    /// <summary>The options of Bitswap.</summary>
    internal static BitswapOptions BitswapOptions(NodeOptions options, TaskScheduler work, int seed) => new()
    {
        UploadRate = options.UploadRate,
        DownloadRate = options.DownloadRate,
        IsLeaf = DagWalk.IsLeaf,
        Seed = seed,
        Work = work,
    };

    /// <summary>The options of the control API.</summary>
    internal static ControlApiOptions ControlApiOptions(NodeOptions options) => new()
    {
        Version = ProductVersion.Number,
        AgentVersion = ProductVersion.Agent,
        Data = options.Data,
        ApiSocket = options.ApiSocket,
        Containerd = options.Containerd,
        Profile = options.Profile,
        StorageMax = options.StorageMax,
        IsOpen = Exposure.IsOpen(options),
        Config = () => ConfigFile.Document(options),
    };

    /// <summary>The options of routing.</summary>
    internal static RoutingOptions RoutingOptions(NodeOptions options) => new()
    {
        Dht = options.Dht,
        Provide = options.Provide,
        ProvideInterval = options.ProvideInterval,
        Mdns = options.Mdns,
        Peers = options.Peers,
    };

    /// <summary>The TCP address of the control API, with the port that the system chose for port 0.</summary>
    private static string TcpAddress(WebApplication api) =>
        new Uri(api.Urls.First(u => !u.Contains("://unix:", StringComparison.Ordinal))).Authority;

    /// <summary>The used share of the file system that has a folder.</summary>
    private static double DiskUse(string folder)
    {
        var disk = new DriveInfo(folder);
        return 1 - ((double)disk.AvailableFreeSpace / Math.Max(1, disk.TotalSize));
    }

    private WebApplication ContentListener(Func<ContentDependencies> dependencies, Retention retention)
    {
        WebApplicationBuilder builder = Builder(_options.ContentSocket, HttpProtocols.Http2);
        builder.Services.AddContentApi(dependencies, _options.Profile, _time, o => o.Retains = () => retention.IsOn);
        WebApplication app = builder.Build();
        app.MapContentApi();
        return app;
    }

    private WebApplication ApiListener(ControlApiRoutes routes)
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
        WebApplication app = builder.Build();
        routes.Map(app);
        return app;
    }

    private WebApplicationBuilder Builder(string socket, HttpProtocols protocols)
    {
        WebApplicationBuilder builder = ListenerSet.NewBuilder(_loggers);
        builder.Services.AddSingleton<IMemoryPoolFactory<byte>, LargeBlockPool>();
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "{File} has this node's private key, and its mode gives others access: chmod 600")]
    private static partial void LogKeyExposed(ILogger logger, string file);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Migration}")]
    private static partial void LogMigration(ILogger logger, string migration);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "{Descriptors} open files are allowed (RLIMIT_NOFILE), which lowers limits: max-connections is {Connections} instead of "
            + "{Configured}, max-handshakes {Handshakes}, max-dials {Dials}")]
    private static partial void LogLimitsLowered(
        ILogger logger, ulong descriptors, int connections, int configured, int handshakes, int dials);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "any host that can connect to {Listen} learns what is pulled and can read every content by its digest: "
            + "`ipcs init --swarm-key new` makes a key for the hosts of the fleet ({KeyFile}), and --allow lists peers and networks")]
    private static partial void LogOpen(ILogger logger, string listen, string keyFile);

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

    /// <summary>The daemon handles the signals; the web hosts start and stop only when the daemon calls them.</summary>
    private sealed class SilentLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
