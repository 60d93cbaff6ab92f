using System.Net.Sockets;
using Grpc.Net.Client;
using Ipcs.Blockstore;
using Ipcs.ContentApi.Hosting;
using Ipcs.ContentApi.V1;
using Ipcs.Dag.Import;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Ipcs.ContentApi.Tests;

/// <summary>The content service on a unix socket in a temporary folder, over a store that the test owns.</summary>
public sealed class ContentHost : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly DirectoryInfo _folder;
    private readonly GrpcChannel _channel;

    private ContentHost(WebApplication app, DirectoryInfo folder, string socket)
    {
        _app = app;
        _folder = folder;
        Socket = socket;
        _channel = GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
        {
            MaxReceiveMessageSize = ContentApiExtensions.MaxMessageLength,
            MaxSendMessageSize = 2 * ContentApiExtensions.MaxMessageLength,
            HttpHandler = new SocketsHttpHandler
            {
                ConnectCallback = async (_, cancellationToken) =>
                {
                    var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    await client.ConnectAsync(new UnixDomainSocketEndPoint(socket), cancellationToken);
                    return new NetworkStream(client, ownsSocket: true);
                },
            },
        });
        Client = new Content.ContentClient(_channel);
    }

    public string Socket { get; }

    public Content.ContentClient Client { get; }

    public IServiceProvider Services => _app.Services;

    public static async Task<ContentHost> StartAsync(
        IStore store, IContentFleet? fleet = null, ImportProfile? profile = null, Action<ContentApiOptions>? configure = null)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("ipcs-content-");
        string socket = Path.Combine(folder.FullName, "content.sock");
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.ListenUnixSocket(socket, listen => listen.Protocols = HttpProtocols.Http2);
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MinResponseDataRate = null;
        });
        builder.Logging.ClearProviders();
        var dependencies = new ContentDependencies(store, fleet ?? new NoFleet(store.Blocks), new ContentCatalog(store));
        builder.Services.AddSingleton(dependencies.Catalog);
        builder.Services.AddContentApi(() => dependencies, profile ?? ImportProfile.KuboV1, TimeProvider.System, configure);
        WebApplication app = builder.Build();
        app.MapContentApi();
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new ContentHost(app, folder, socket);
    }

    public async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        await _app.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
