namespace Ipcs.Node.Listeners;

/// <summary>The web servers behind the sockets. Owns them; closing them drains them side by side and takes their sockets away.</summary>
internal sealed class ListenerSet : IAsyncDisposable
{
    /// <summary>How long open requests may take to end once the daemon is told to stop: of the 10 s in all, the rest is for the store.</summary>
    private static readonly TimeSpan DrainTime = TimeSpan.FromSeconds(8);

    private readonly List<(WebApplication App, string Socket)> _doors = [];

    /// <summary>
    /// A web server with nothing that it wasn't told: the usual builders read the environment and files of the folder that they are started in,
    /// and watch them.
    /// </summary>
    public static WebApplicationBuilder NewBuilder(ILoggerFactory loggers)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton(loggers);
        return builder;
    }

    /// <summary>Opens a door and closes its socket to strangers.</summary>
    public async Task OpenAsync(WebApplication app, string socket, CancellationToken cancellationToken)
    {
        _doors.Add((app, socket));
        await app.StartAsync(cancellationToken);
        UnixListener.Restrict(socket);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await Task.WhenAll(_doors.Select(d => CloseAsync(d.App, d.Socket)));

    private static async Task CloseAsync(WebApplication app, string socket)
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
