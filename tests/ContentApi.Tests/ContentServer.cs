using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Ipcs.ContentApi.Tests;

/// <summary>The content service alone, on a unix socket, with no fleet.</summary>
internal sealed class ContentServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly string _folder = Directory.CreateTempSubdirectory("ipcs-content-").FullName;

    public ContentServer(IStore? store = null, IContentFleet? fleet = null)
    {
        Store = store ?? RocksStore.Open(Path.Combine(_folder, "store"));
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k =>
        {
            k.ListenUnixSocket(Socket, l => l.Protocols = HttpProtocols.Http2);
            k.Limits.MaxRequestBodySize = null;
        });
        builder.Services.AddContentApi(Store, fleet ?? new NoFleet(Store.Blocks), ImportProfile.KuboV1);
        _app = builder.Build();
        _app.MapContentApi();
    }

    public IStore Store { get; }

    public string Socket => Path.Combine(_folder, "c.sock");

    public Task StartAsync(CancellationToken cancellationToken) => _app.StartAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Store.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
