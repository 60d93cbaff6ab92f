using Ipcs.TestKit;
using System.Text;
using System.Text.Json.Nodes;
using Ipcs.Oci.Credentials;
using Ipcs.Oci.Registry;
using Ipcs.Oci.Transports;
using Microsoft.AspNetCore.Http;

namespace Ipcs.Oci.Tests;

public sealed class RegistrySourceTests : IAsyncLifetime
{
    private const int LayerLength = 900_000;

    private static readonly CancellationToken Stop = TestContext.Current.CancellationToken;
    private readonly TestImage _image = TestImage.Simple(LayerLength);
    private FakeRegistry _registry = null!;

    public async ValueTask InitializeAsync() => _registry = await FakeRegistry.StartAsync(_image);

    public ValueTask DisposeAsync() => _registry.DisposeAsync();

    private Descriptor Layer => ImageGraph.Children(_image.Json(_image.Target.Digest), null)[^1];

    private static RegistryOptions Options(ICredentials? credentials = null, int stall = 20_000, int answer = 20_000) => new()
    {
        Time = TimeProvider.System,
        Credentials = credentials ?? NoCredentials.Instance,
        HostsFolder = null,
        FirstPause = TimeSpan.FromMilliseconds(5),
        LongestPause = TimeSpan.FromMilliseconds(50),
        StallTime = TimeSpan.FromMilliseconds(stall),
        AnswerTime = TimeSpan.FromMilliseconds(answer),
    };

    private static RegistryOptions WithHosts(TempFolder folder) => new()
    {
        Time = TimeProvider.System,
        HostsFolder = folder.Path,
        FirstPause = TimeSpan.FromMilliseconds(5),
    };

    private async Task<IImageSource> OpenAsync(RegistryOptions? options = null, string? reference = null) => await ImageTransport.OpenAsync(
        reference ?? _registry.Reference,
        new ImageTransportOptions { Registry = options ?? Options(), Containerd = _ => throw new NotSupportedException() },
        Stop);

    private static async Task<byte[]> ReadAsync(IImageSource source, Descriptor descriptor)
    {
        await using Stream stream = await source.OpenAsync(descriptor, Stop);
        using var bytes = new MemoryStream();
        await stream.CopyToAsync(bytes, Stop);
        return bytes.ToArray();
    }

    private async Task<string> FailsAsync(RegistryOptions? options = null, Descriptor? descriptor = null)
    {
        await using IImageSource source = await OpenAsync(options);
        return (await Assert.ThrowsAsync<ImageSourceException>(async () =>
        {
            Descriptor target = await source.ResolveAsync(Stop);
            await ReadAsync(source, descriptor ?? Layer);
            Assert.Fail($"{target.Digest} was read");
        })).Message;
    }

    private async Task SucceedsAsync(RegistryOptions? options = null)
    {
        await using IImageSource source = await OpenAsync(options);
        Assert.Equal(_image.Target, await source.ResolveAsync(Stop));
        Assert.Equal(_image.Contents[Layer.Digest], await ReadAsync(source, Layer));
    }

    private static bool IsBlob(HttpContext context) => context.Request.Path.Value!.Contains("/blobs/", StringComparison.Ordinal);

    private void Refuse(HttpContext context, string challenge)
    {
        context.Response.StatusCode = 401;
        context.Response.Headers.WWWAuthenticate = challenge.Replace("HOST", _registry.Host, StringComparison.Ordinal);
    }

    [Fact]
    public Task Reads_an_image() => SucceedsAsync();

    [Fact]
    public async Task Reads_by_digest()
    {
        await using IImageSource source = await OpenAsync(reference: $"{_registry.Host}/app@{_image.Target.Digest}");
        Assert.Equal(_image.Target.Digest, (await source.ResolveAsync(Stop)).Digest);
        Assert.EndsWith(_image.Target.Digest.ToString(), _registry.Seen.Single().Path, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(429)]
    [InlineData(500)]
    [InlineData(503)]
    public async Task Tries_again_after_an_error(int status)
    {
        int refused = 0;
        _registry.Before = context =>
        {
            if (Interlocked.Increment(ref refused) > 3)
            {
                return Task.FromResult(false);
            }

            context.Response.StatusCode = status;
            context.Response.Headers.RetryAfter = refused == 1 ? "0" : "Thu, 01 Jan 2026 00:00:00 GMT";
            return Task.FromResult(true);
        };
        await SucceedsAsync();
        Assert.Equal(5, _registry.Seen.Count);
    }

    [Fact]
    public async Task An_answer_without_data_ends_with_a_timeout()
    {
        _registry.Before = context =>
        {
            context.Response.StatusCode = 429;
            context.Response.Headers.RetryAfter = "3600";
            return Task.FromResult(true);
        };
        Assert.Contains("429", await FailsAsync(), StringComparison.Ordinal);
        Assert.Equal(5, _registry.Seen.Count);
    }

    [Fact]
    public async Task Gets_a_token_with_no_login()
    {
        await UseTokensAsync(login: null, NoCredentials.Instance);
        Assert.Single(_registry.Seen, s => s.Path == "/token");
    }

    [Fact]
    public Task Gets_a_token_for_a_login() => UseTokensAsync("me:secret", new Logged("me", "secret"));

    [Fact]
    public async Task An_expired_token_is_replaced()
    {
        int tokens = 0;
        _registry.Before = async context =>
        {
            if (context.Request.Path == "/token")
            {
                await context.Response.WriteAsync($$"""{"access_token":"t{{++tokens}}"}""");
                return true;
            }

            // The token of the manifest request is refused for the layer.
            string good = IsBlob(context) ? "Bearer t2" : "Bearer t1";
            if (context.Request.Headers.Authorization == good)
            {
                return false;
            }

            Refuse(context, "Bearer realm=\"http://HOST/token\"");
            return true;
        };
        await SucceedsAsync();
        Assert.Equal(2, tokens);
    }

    [Fact]
    public async Task Exchanges_an_identity_token()
    {
        string? form = null;
        _registry.Before = async context =>
        {
            if (context.Request.Path == "/token")
            {
                form = await new StreamReader(context.Request.Body).ReadToEndAsync();
                await context.Response.WriteAsync("""{"access_token":"T"}""");
                return true;
            }

            if (context.Request.Headers.Authorization == "Bearer T")
            {
                return false;
            }

            Refuse(context, "Bearer realm=\"http://HOST/token\",service=\"s\",scope=\"repository:app:pull\"");
            return true;
        };
        await SucceedsAsync(Options(new Logged("", "", "identity")));
        Assert.Contains("grant_type=refresh_token", form, StringComparison.Ordinal);
        Assert.Contains("refresh_token=identity", form, StringComparison.Ordinal);
    }

    [Fact]
    public Task Logs_in_with_basic_authentication()
    {
        string basic = "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes("me:secret"));
        _registry.Before = context =>
        {
            bool known = context.Request.Headers.Authorization == basic;
            if (!known)
            {
                Refuse(context, "Basic realm=\"r\"");
            }

            return Task.FromResult(!known);
        };
        return SucceedsAsync(Options(new Logged("me", "secret")));
    }

    [Fact]
    public async Task A_missing_login_is_reported()
    {
        _registry.Before = context =>
        {
            Refuse(context, "Basic realm=\"r\"");
            return Task.FromResult(true);
        };
        Assert.Contains("requires a login (401)", await FailsAsync(), StringComparison.Ordinal);
        Assert.Contains("refuses access: 401", await FailsAsync(Options(new Logged("me", "wrong"))), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_of_endless_length_is_an_error()
    {
        _registry.Before = async context =>
        {
            if (context.Request.Path != "/token")
            {
                Refuse(context, "Bearer realm=\"http://HOST/token\"");
                return true;
            }

            await context.Response.WriteAsync("{\"token\":\"" + new string('x', 1 << 19) + "\"}");
            return true;
        };
        Assert.Contains("longer than", await FailsAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Resumes_a_layer_where_it_broke_off()
    {
        int broken = 0;
        _registry.Before = async context =>
        {
            if (!IsBlob(context) || ++broken > 3)
            {
                return false;
            }

            await _registry.SendAsync(context, "x/y", _image.Contents[Layer.Digest], atMost: 200_000);
            return true;
        };
        await SucceedsAsync();
        string[] ranges = [.. _registry.Seen.Where(s => s.Path.Contains("/blobs/", StringComparison.Ordinal)).Select(s => s.Range)];
        Assert.Equal("", ranges[0]);
        Assert.All(ranges[1..], r => Assert.Matches(@"^bytes=[1-9][0-9]*-$", r));
    }

    [Fact]
    public async Task A_registry_without_ranges_is_read_from_the_start()
    {
        int broken = 0;
        _registry.Ranges = false;
        _registry.Before = async context =>
        {
            if (!IsBlob(context) || ++broken > 2)
            {
                return false;
            }

            await _registry.SendAsync(context, "x/y", _image.Contents[Layer.Digest], atMost: 300_000);
            return true;
        };
        await SucceedsAsync();
    }

    [Fact]
    public async Task A_layer_that_is_always_cut_off_is_an_error()
    {
        _registry.Before = async context =>
        {
            if (!IsBlob(context))
            {
                return false;
            }

            context.Response.ContentLength = LayerLength;
            await context.Response.Body.FlushAsync();
            context.Abort();
            return true;
        };
        Assert.Contains("tried 5 times", await FailsAsync(), StringComparison.Ordinal);
        Assert.InRange(_registry.Asked(Layer.Digest), 5, 25);
    }

    [Fact]
    public async Task A_hanging_registry_is_an_error()
    {
        _registry.Before = async context =>
        {
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return true;
        };
        Assert.Contains("no answer within", await FailsAsync(Options(answer: 100)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_layer_that_stalls_is_an_error()
    {
        _registry.Before = async context =>
        {
            if (!IsBlob(context))
            {
                return false;
            }

            context.Response.ContentLength = LayerLength;
            await context.Response.Body.FlushAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return true;
        };
        Assert.Contains("stalled after 0 of 900000 bytes", await FailsAsync(Options(stall: 100)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Other_bytes_are_an_error()
    {
        byte[] other = [.. _image.Contents[Layer.Digest]];
        other[^1] ^= 1;
        _registry.Before = async context =>
        {
            if (!IsBlob(context))
            {
                return false;
            }

            await _registry.SendAsync(context, "x/y", other);
            return true;
        };
        Assert.Contains("do not match the digest", await FailsAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_manifest_that_lies_about_sizes_is_an_error()
    {
        Assert.Contains("longer than", await FailsAsync(descriptor: Layer with { Size = LayerLength - 1 }), StringComparison.Ordinal);
        Assert.Contains(
            "900000 of 900001 bytes",
            await FailsAsync(descriptor: Layer with { Size = LayerLength + 1 }),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_manifest_that_does_not_match_its_digest_is_an_error()
    {
        byte[] other = Encoding.UTF8.GetBytes("""{"schemaVersion":2,"config":{}}""");
        _registry.Before = async context =>
        {
            await _registry.SendAsync(context, MediaTypes.OciManifest, other);
            return true;
        };
        await using IImageSource source = await OpenAsync(reference: $"{_registry.Host}/app@{_image.Target.Digest}");
        Assert.Contains(
            "does not match its digest",
            (await Assert.ThrowsAsync<ImageSourceException>(() => source.ResolveAsync(Stop))).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("application/vnd.docker.distribution.manifest.v1+prettyjws", """{"schemaVersion":1}""")]
    [InlineData("application/json", """{"schemaVersion":1,"fsLayers":[]}""")]
    public async Task Schema_one_is_refused(string mediaType, string text)
    {
        _registry.Before = async context =>
        {
            await _registry.SendAsync(context, mediaType, Encoding.UTF8.GetBytes(text));
            return true;
        };
        Assert.Contains("schema 1", await FailsAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_endless_manifest_is_an_error()
    {
        _registry.Before = async context =>
        {
            byte[] much = new byte[1 << 20];
            while (!context.RequestAborted.IsCancellationRequested)
            {
                await context.Response.Body.WriteAsync(much);
            }

            return true;
        };
        Assert.Contains("longer than", await FailsAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_credentials_go_to_another_host()
    {
        await using FakeRegistry storage = await FakeRegistry.StartAsync(_image);
        string basic = "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes("me:secret"));
        _registry.Before = context =>
        {
            if (context.Request.Headers.Authorization != basic)
            {
                Refuse(context, "Basic realm=\"r\"");
                return Task.FromResult(true);
            }

            if (IsBlob(context))
            {
                context.Response.Redirect($"http://{storage.Host}{context.Request.Path}");
            }

            return Task.FromResult(IsBlob(context));
        };
        await SucceedsAsync(Options(new Logged("me", "secret")));
        Assert.Equal("", Assert.Single(storage.Seen).Authorization);
    }

    [Fact]
    public async Task Redirects_are_bounded()
    {
        _registry.Before = context =>
        {
            context.Response.Redirect(context.Request.Path);
            return Task.FromResult(true);
        };
        Assert.Contains("redirects more than", await FailsAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("file:///etc/passwd")]
    [InlineData("ftp://127.0.0.1/x")]
    public async Task Redirects_elsewhere_are_not_followed(string address)
    {
        _registry.Before = context =>
        {
            context.Response.Redirect(address);
            return Task.FromResult(true);
        };
        Assert.Contains("not followed", await FailsAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_redirect_to_an_invalid_url_is_an_error()
    {
        _registry.Before = context =>
        {
            context.Response.StatusCode = 307;
            context.Response.Headers.Location = "//exampl%:5000/x";
            return Task.FromResult(true);
        };
        Assert.Contains("which is not a valid URL", await FailsAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nobody_listening()
    {
        await using IImageSource source = await OpenAsync(reference: "127.0.0.1:1/app:v1");
        Assert.Contains(
            "tried 5 times",
            (await Assert.ThrowsAsync<ImageSourceException>(() => source.ResolveAsync(Stop))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_mirror_is_asked_first_and_the_registry_for_the_rest()
    {
        await using FakeRegistry mirror = await FakeRegistry.StartAsync(_image);
        mirror.Before = context =>
        {
            context.Response.StatusCode = IsBlob(context) ? 200 : 404;
            return Task.FromResult(!IsBlob(context));
        };
        using var folder = new TempFolder();
        folder.File($"{_registry.Host.Replace(':', '_')}_/hosts.toml", $"""
            server = "http://{_registry.Host}"
            [host."http://{mirror.Host}"]
              capabilities = ["pull"]
            """);
        RegistryOptions options = WithHosts(folder);
        await SucceedsAsync(options);
        Assert.Equal(1, mirror.Asked(Layer.Digest));
        Assert.DoesNotContain(mirror.Seen, s => s.Path.Contains("/manifests/v1", StringComparison.Ordinal));
        Assert.Equal(0, _registry.Asked(Layer.Digest));
    }

    [Fact]
    public async Task A_dead_mirror_is_skipped()
    {
        using var folder = new TempFolder();
        folder.File("_default/hosts.toml", """
            [host."http://127.0.0.1:1"]
            """);
        await SucceedsAsync(WithHosts(folder));
    }

    private async Task UseTokensAsync(string? login, ICredentials credentials)
    {
        _registry.Before = async context =>
        {
            if (context.Request.Path == "/token")
            {
                Assert.Equal("repository:app:pull", context.Request.Query["scope"].ToString());
                Assert.Equal("the service", context.Request.Query["service"].ToString());
                Assert.Equal(
                    login is null ? "" : "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(login)),
                    context.Request.Headers.Authorization.ToString());
                await context.Response.WriteAsync(new JsonObject { ["token"] = "T" }.ToJsonString());
                return true;
            }

            if (context.Request.Headers.Authorization == "Bearer T")
            {
                return false;
            }

            Refuse(context, "Bearer realm=\"http://HOST/token\",service=\"the service\",scope=\"repository:app:pull\"");
            return true;
        };
        await SucceedsAsync(Options(credentials));
    }

    private sealed class Logged(string user, string secret, string? token = null) : ICredentials
    {
        public Task<Login?> FindAsync(string host, string repository, CancellationToken cancellationToken) =>
            Task.FromResult<Login?>(new Login(user, secret, token));
    }
}
