using System.Net;
using Ipcs.Blockstore;
using Ipcs.Dag.Gc;
using Ipcs.Fleet;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Prometheus;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.Node.Listeners;

/// <summary>
/// Serves all meters whose names begin with <c>ipcs</c> as Prometheus text at <c>/metrics</c>.
/// Format: https://prometheus.io/docs/instrumenting/exposition_formats/.
/// </summary>
internal sealed class MetricsEndpoint : IAsyncDisposable
{
    /// <summary>The most connections at once: some scrapers and a browser.</summary>
    private const int MaxConnections = 16;

    private readonly WebApplication _app;
    private readonly IDisposable _listening;

    private MetricsEndpoint(WebApplication app, IDisposable listening)
    {
        _app = app;
        _listening = listening;
    }

    /// <summary>Starts to observe the meters and to serve them at an address.</summary>
    public static async Task<MetricsEndpoint> OpenAsync(
        IStore store,
        ContentFetcher fetcher,
        IHost host,
        GarbageCollector collector,
        IPEndPoint address,
        ILoggerFactory loggers,
        CancellationToken cancellationToken)
    {
        CollectorRegistry registry = Prometheus.Metrics.NewCustomRegistry();
        IDisposable listening = MeterAdapter.StartListening(new MeterAdapterOptions
        {
            Registry = registry,
            MetricFactory = Prometheus.Metrics.WithCustomRegistry(registry),
            InstrumentFilterPredicate = instrument => instrument.Meter.Name.StartsWith("ipcs", StringComparison.Ordinal),
        });
        NodeMeter.Observe("store_bytes", "By", "Size of the store on disk.", () => store.GetStatistics().Bytes);
        NodeMeter.Observe("store_blocks", "blocks", "Blocks in the store.", () => store.GetStatistics().Blocks);
        NodeMeter.Observe("store_contents", "contents", "Contents in the index.", () => store.GetStatistics().Contents);
        NodeMeter.Observe("provide_queue", "keys", "Keys in the queue of announcements.", () => store.Provides.Count);
        NodeMeter.Observe("fetch_active", "contents", "Contents being fetched.", () => fetcher.FetchesUnderWay);
        NodeMeter.Observe("swarm_peers", "peers", "Connected peers.", () => host.Peers.Count);
        NodeMeter.Count("gc_runs", null, "Garbage collections that succeeded.", () => collector.Totals.Runs);
        NodeMeter.Count("gc_failures", null, "Garbage collections that failed or were stopped.", () => collector.Totals.Failures);
        NodeMeter.Count("gc_blocks", null, "Blocks removed by garbage collections.", () => collector.Totals.Blocks);
        NodeMeter.Count("gc_bytes", "By", "Bytes of blocks removed by garbage collections.", () => collector.Totals.Bytes);
        NodeMeter.Observe("gc_last_time", "s", "Duration of the last garbage collection.", () => collector.Totals.LastTime.TotalSeconds);
        NodeMeter.Observe("gc_running", null, "1 during a garbage collection.", () => collector.Totals.Running ? 1 : 0);
        WebApplicationBuilder builder = ListenerSet.NewBuilder(loggers);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxConcurrentConnections = MaxConnections;
            kestrel.AddServerHeader = false;
            kestrel.Listen(address, listen => listen.Protocols = HttpProtocols.Http1);
        });
        WebApplication app = builder.Build();
        app.MapGet("/metrics", (RequestDelegate)(async context =>
        {
            context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
            await registry.CollectAndExportAsTextAsync(context.Response.Body, context.RequestAborted);
        }));
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch
        {
            listening.Dispose();
            await app.DisposeAsync();
            throw;
        }

        return new MetricsEndpoint(app, listening);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _listening.Dispose();
        await _app.DisposeAsync();
    }
}
