using Ipcs.Blockstore;
using Ipcs.ContentApi.Reading;
using Ipcs.ContentApi.Writing;
using Ipcs.Dag.Import;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Ipcs.ContentApi;

/// <summary>How a host takes the content service in.</summary>
public static class ContentApiExtensions
{
    /// <summary>What containerd's proxy client allows in one message, both ways, in bytes.</summary>
    private const int MaxMessage = 16 << 20;

    /// <summary>Adds the service over a store and a fleet; writes are imported with <paramref name="profile"/>.</summary>
    public static IServiceCollection AddContentApi(this IServiceCollection services, IStore store, IContentFleet fleet, ImportProfile profile)
    {
        services.AddGrpc(o =>
        {
            o.MaxReceiveMessageSize = MaxMessage;
            o.MaxSendMessageSize = MaxMessage;
        });
        services.AddSingleton<ReaderCache>();
        services.AddSingleton(provider => new ContentService(
            store, fleet, new IngestTable(store, profile, TimeProvider.System), provider.GetRequiredService<ReaderCache>(), TimeProvider.System));
        return services;
    }

    /// <summary>Maps the service.</summary>
    public static void MapContentApi(this IEndpointRouteBuilder routes) => routes.MapGrpcService<ContentService>();
}
