using Ipcs.ContentApi.Hosting;
using Ipcs.ContentApi.Ingests;
using Ipcs.ContentApi.Reading;
using Ipcs.ContentApi.Rpc;
using Ipcs.Dag.Gc;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Ipcs.ContentApi;

/// <summary>Adds the content service to a web host that listens on a unix socket with HTTP/2.</summary>
public static class ContentApiExtensions
{
    /// <summary>The longest request and reply, in bytes: the bound of containerd's proxy client.</summary>
    public const int MaxMessageLength = 16 << 20;

    /// <summary>
    /// Concurrent streams of one connection. containerd has one connection for all calls: with Kestrel's default of 100, an Info would wait
    /// behind a hundred long Writes, and all of containerd with it. Kestrel counts a stream for some seconds after its end, so many commits
    /// in a row use many streams.
    /// </summary>
    private const int MaxStreams = 4096;

    /// <summary>
    /// The HTTP/2 flow control window of a connection and of each stream, in bytes. containerd's messages have 1 MiB: with Kestrel's
    /// default of 768 KiB each message waits for a window update before its end.
    /// </summary>
    private const int Window = 4 << 20;

    /// <summary>
    /// Adds the service, and with it <see cref="IIngestRoots"/> for garbage collection and <see cref="RecentReads"/>.
    /// </summary>
    /// <param name="services">The services of the web host.</param>
    /// <param name="dependencies">Called when the service is first needed, so that the web host can be built before the store is
    /// open.</param>
    /// <param name="profile">The DAG profile with which containerd's writes are imported.</param>
    /// <param name="time">The clock of time stamps and waits.</param>
    /// <param name="configure">Changes the options.</param>
    public static IServiceCollection AddContentApi(
        this IServiceCollection services,
        Func<ContentDependencies> dependencies,
        ImportProfile profile,
        TimeProvider time,
        Action<ContentApiOptions>? configure = null)
    {
        var options = new ContentApiOptions { Time = time };
        configure?.Invoke(options);
        services.AddGrpc().AddServiceOptions<ContentService>(grpc =>
        {
            grpc.MaxReceiveMessageSize = MaxMessageLength;
            grpc.MaxSendMessageSize = MaxMessageLength;
        });
        services.Configure<KestrelServerOptions>(kestrel =>
        {
            kestrel.Limits.Http2.MaxStreamsPerConnection = MaxStreams;
            kestrel.Limits.Http2.InitialConnectionWindowSize = Window;
            kestrel.Limits.Http2.InitialStreamWindowSize = Window;
        });
        services.AddSingleton(provider => new RpcErrors(provider.GetRequiredService<ILogger<ContentService>>()));
        services.AddSingleton(_ => new ReaderCache(options.MaxIdleReaders));
        services.AddSingleton(_ => new RecentReads(options.Time));
        services.AddSingleton(provider =>
            new IngestRegistry(dependencies().Store, profile, options, provider.GetRequiredService<ILogger<IngestRegistry>>()));
        services.AddSingleton<IIngestRoots>(provider => provider.GetRequiredService<IngestRegistry>());
        services.AddSingleton(provider => new ContentService(
            dependencies().Store,
            dependencies().Fleet,
            profile,
            options,
            dependencies().Catalog,
            provider.GetRequiredService<IngestRegistry>(),
            provider.GetRequiredService<ReaderCache>(),
            provider.GetRequiredService<RecentReads>(),
            provider.GetRequiredService<RpcErrors>()));
        return services;
    }

    /// <summary>Maps the routes of the service.</summary>
    public static void MapContentApi(this IEndpointRouteBuilder routes) => routes.MapGrpcService<ContentService>();
}
