namespace Ipcs.Node.Listeners;

/// <summary>The web servers of the unix sockets. Owns them; disposal drains them in parallel and deletes the sockets.</summary>
internal sealed class ListenerSet(TimeProvider time) : IAsyncDisposable
{
    /// <summary>
    /// How long open requests may take to end. Of the 10 s that the daemon has to stop, the rest is for closing the store.
    /// </summary>
    internal static readonly TimeSpan DrainTime = TimeSpan.FromSeconds(8);

    private readonly List<(WebApplication App, string Socket)> _servers = [];

    /// <summary>
    /// A builder without defaults: the usual builders read the environment and configuration files in the working directory, and watch
    /// them.
    /// </summary>
    public static WebApplicationBuilder NewBuilder(ILoggerFactory loggers)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton(loggers);
        return builder;
    }

    /// <summary>Starts a server, owns it from now on, and restricts access to its socket.</summary>
    public async Task OpenAsync(WebApplication app, string socket, CancellationToken cancellationToken)
    {
        _servers.Add((app, socket));
        await app.StartAsync(cancellationToken);
        UnixListener.Restrict(socket);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await Task.WhenAll(_servers.Select(server => CloseAsync(server.App, server.Socket)));

    private async Task CloseAsync(WebApplication app, string socket)
    {
        using var limit = new CancellationTokenSource(DrainTime, time);
        try
        {
            await app.StopAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            // Requests that are still open are aborted.
        }

        await app.DisposeAsync();
        File.Delete(socket);
    }
}
