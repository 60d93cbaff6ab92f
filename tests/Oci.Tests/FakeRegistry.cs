using System.Collections.Concurrent;
using Ipcs.Multiformats;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Ipcs.Oci.Tests;

/// <summary>
/// A registry on a port of the loopback interface with one image, <c>app:v1</c>. A test replaces answers with
/// <see cref="Before"/>, which returns true for a request that it has answered.
/// </summary>
internal sealed class FakeRegistry : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly TestImage _image;

    private FakeRegistry(WebApplication app, TestImage image)
    {
        _app = app;
        _image = image;
    }

    public Func<HttpContext, Task<bool>> Before { get; set; } = _ => Task.FromResult(false);

    /// <summary>Path, Authorization and Range of every request, in order.</summary>
    public ConcurrentQueue<(string Path, string Authorization, string Range)> Seen { get; } = [];

    public string Host { get; private set; } = "";

    public string Reference => Host + "/app:v1";

    public bool Ranges { get; set; } = true;

    public static async Task<FakeRegistry> StartAsync(TestImage image)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.Listen(System.Net.IPAddress.Loopback, 0));
        WebApplication app = builder.Build();
        var registry = new FakeRegistry(app, image);
        app.Run(registry.AnswerAsync);
        await app.StartAsync();
        string address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        registry.Host = new Uri(address).Authority;
        return registry;
    }

    /// <summary>The number of requests for a content.</summary>
    public int Asked(Digest digest) => Seen.Count(s => s.Path.EndsWith(digest.ToString(), StringComparison.Ordinal));

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        try
        {
            await _app.StopAsync(now.Token);
        }
        catch (OperationCanceledException)
        {
            // An answer that hangs is aborted.
        }

        await _app.DisposeAsync();
    }

    /// <summary>Answers with a content, from the start of the requested range.</summary>
    public async Task SendAsync(HttpContext context, string mediaType, byte[] bytes, int atMost = int.MaxValue)
    {
        int from = 0;
        if (Ranges && context.Request.Headers.Range is [{ } range] && range.StartsWith("bytes=", StringComparison.Ordinal))
        {
            from = int.Parse(range[6..^1]);
            if (from >= bytes.Length)
            {
                context.Response.StatusCode = StatusCodes.Status416RangeNotSatisfiable;
                return;
            }

            context.Response.StatusCode = StatusCodes.Status206PartialContent;
            context.Response.Headers.ContentRange = $"bytes {from}-{bytes.Length - 1}/{bytes.Length}";
        }

        context.Response.ContentType = mediaType;
        context.Response.ContentLength = bytes.Length - from;
        await context.Response.Body.WriteAsync(bytes.AsMemory(from, Math.Min(atMost, bytes.Length - from)));
        if (bytes.Length - from > atMost)
        {
            await context.Response.Body.FlushAsync();
            context.Abort();
        }
    }

    private async Task AnswerAsync(HttpContext context)
    {
        string path = context.Request.Path;
        Seen.Enqueue((path, context.Request.Headers.Authorization.ToString(), context.Request.Headers.Range.ToString()));
        if (await Before(context))
        {
            return;
        }

        string name = path[(path.LastIndexOf('/') + 1)..];
        Digest digest = name == "v1" ? _image.Target.Digest : Digest.TryParse(name, out Digest parsed) ? parsed : default;
        if (!path.StartsWith("/v2/app/", StringComparison.Ordinal) || !_image.Contents.TryGetValue(digest, out byte[]? bytes))
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        await SendAsync(context, digest == _image.Target.Digest ? _image.Target.MediaType : "application/octet-stream", bytes);
    }
}
