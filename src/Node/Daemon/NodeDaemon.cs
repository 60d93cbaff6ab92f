using Ipcs.Bitswap;
using Ipcs.Blockstore;
using Ipcs.ContentApi;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Security.Pnet;
using Ipcs.Libp2p.Swarm;
using Ipcs.Node.Options;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Hosting.Systemd;
using HostOptionsAlias = Microsoft.Extensions.Hosting.HostOptions;

namespace Ipcs.Node.Daemon;

/// <summary>
/// One running node. Owns the store, the host and the doors; opens them in the order in which they lean on each other
/// (store, peers, containerd's socket, control API) and closes them the other way round.
/// </summary>
internal sealed partial class NodeDaemon : IAsyncDisposable
{
    /// <summary>How long open requests may take to end once the daemon is told to stop.</summary>
    private static readonly TimeSpan DrainTime = TimeSpan.FromSeconds(5);

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
        Directory.CreateDirectory(_options.Data);
        KeyPair key = KeyPair.LoadOrCreate(Path.Combine(_options.Data, "key"));
        UnixDoor.Prepare(_options.ContentSocket);
        UnixDoor.Prepare(_options.ApiSocket);

        IStore store = RocksStore.Open(Path.Combine(_options.Data, "store"));
        _open.Push(new Closing(store));
        var updates = new ContentUpdates(store);
        var host = new Libp2p.Swarm.Host(new Libp2p.Swarm.HostOptions
        {
            KeyPair = key,
            ListenAddresses = _options.Listen,
            Peers = _options.Peers,
            Muxers = _options.Muxers,
            SwarmKey = _options.SwarmKey is { } file ? SwarmKey.Load(file) : null,
            Filter = new PeerFilter(_options.Allow, _options.Deny),
            AgentVersion = ProductVersion.Agent,
            Logger = _loggers.CreateLogger<Libp2p.Swarm.Host>(),
        });
        _open.Push(host);
        var bitswap = new BitswapService(host, store.Blocks, new BitswapOptions(), _loggers.CreateLogger<BitswapService>());
        _open.Push(bitswap);
        var fleet = new Fleet.Fleet(host, store, updates, bitswap, _options.InfoBudget, TimeProvider.System, _loggers.CreateLogger<Fleet.Fleet>());
        _open.Push(fleet);

        var services = new NodeServices(_options, store, updates, host, bitswap, fleet);
        await StartDoorAsync(ContentDoor(services), _options.ContentSocket, cancellationToken);
        await StartDoorAsync(ApiDoor(services), _options.ApiSocket, cancellationToken);

        // Peers last: whoever connects finds everything in place.
        await host.StartAsync(cancellationToken);
        new SystemdNotifier().Notify(ServiceState.Ready);
        string listen = string.Join(',', host.ListenAddresses.Select(a => a.ToString()));
        return $"ready peer={host.LocalPeer} listen={listen} content={_options.ContentSocket} api={_options.ApiSocket}";
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

    private async Task StartDoorAsync(WebApplication door, string socket, CancellationToken cancellationToken)
    {
        _open.Push(new Door(door, socket));
        await door.StartAsync(cancellationToken);
        UnixDoor.Restrict(socket);
    }

    private WebApplication ContentDoor(NodeServices node)
    {
        WebApplicationBuilder builder = Builder(_options.ContentSocket, HttpProtocols.Http2);
        builder.Services.AddSingleton(node.Updates);
        builder.Services.AddContentApi(node.Store, node.Fleet, _options.Profile);
        WebApplication app = builder.Build();
        app.MapContentApi();
        return app;
    }

    private WebApplication ApiDoor(NodeServices node)
    {
        WebApplicationBuilder builder = Builder(_options.ApiSocket, HttpProtocols.Http1);
        WebApplication app = builder.Build();
        new ControlApi.ControlApi(node, _loggers.CreateLogger<ControlApi.ControlApi>()).Map(app);
        return app;
    }

    private WebApplicationBuilder Builder(string socket, HttpProtocols protocols)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Services.AddSingleton(_loggers);
        builder.Services.AddSingleton<IHostLifetime, SilentLifetime>();
        builder.Services.Configure<HostOptionsAlias>(o => o.ShutdownTimeout = DrainTime);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.ListenUnixSocket(socket, listen => listen.Protocols = protocols);
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.AddServerHeader = false;
        });
        return builder;
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "closing {Part} failed")]
    private static partial void LogCloseFailed(ILogger logger, string part, Exception error);

    /// <summary>A door that can be closed: drains, and takes its socket away.</summary>
    private sealed class Door(WebApplication app, string socket) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            using var limit = new CancellationTokenSource(DrainTime);
            try
            {
                await app.StopAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                // What has not ended by now is cut off.
            }

            await app.DisposeAsync();
            File.Delete(socket);
        }
    }

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
