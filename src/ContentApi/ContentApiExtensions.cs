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

/// <summary>How a host takes the content service in: on a unix socket of its own, with HTTP/2.</summary>
public static class ContentApiExtensions
{
    /// <summary>The longest message either way, in bytes: what containerd's proxy client allows.</summary>
    public const int MaxMessageLength = 16 << 20;

    /// <summary>
    /// Streams on one connection. containerd has one connection for everything: behind a hundred long Writes (Kestrel's own bound) an Info would
    /// wait, and with it all of containerd. Kestrel counts streams for some seconds after their end, so that commits in a row take many too.
    /// </summary>
    private const int MaxStreams = 4096;

    /// <summary>
    /// What a connection and each of its streams may have in flight, in bytes: some messages of containerd's usual 1 MiB, which with Kestrel's
    /// own 768 KiB wait in their middle for leave to go on.
    /// </summary>
    private const int Window = 4 << 20;

    /// <summary>
    /// Adds the service; what containerd writes is imported with <paramref name="profile"/>. Adds <see cref="IIngestRoots"/> too, for garbage
    /// collection, and <see cref="RecentReads"/>.
    /// </summary>
    /// <param name="services">The host's.</param>
    /// <param name="needs">What the service works on; asked for when the first part of it is made, so that the host may be built before.</param>
    /// <param name="profile">The DAG profile.</param>
    /// <param name="configure">Changes options.</param>
    public static IServiceCollection AddContentApi(
        this IServiceCollection services, Func<ContentDependencies> needs, ImportProfile profile, Action<ContentApiOptions>? configure = null)
    {
        var options = new ContentApiOptions();
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
        services.AddSingleton(provider => new IngestRegistry(needs().Store, profile, options, provider.GetRequiredService<ILogger<IngestRegistry>>()));
        services.AddSingleton<IIngestRoots>(provider => provider.GetRequiredService<IngestRegistry>());
        services.AddSingleton(provider => new ContentService(
            needs().Store,
            needs().Fleet,
            profile,
            options,
            needs().Updates,
            provider.GetRequiredService<IngestRegistry>(),
            provider.GetRequiredService<ReaderCache>(),
            provider.GetRequiredService<RecentReads>(),
            provider.GetRequiredService<RpcErrors>()));
        return services;
    }

    /// <summary>Maps the service.</summary>
    public static void MapContentApi(this IEndpointRouteBuilder routes) => routes.MapGrpcService<ContentService>();
}
