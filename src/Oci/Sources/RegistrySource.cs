using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Ipcs.Multiformats;

namespace Ipcs.Oci.Sources;

/// <summary>
/// An image in a registry. Spec: https://github.com/opencontainers/distribution-spec/blob/main/spec.md, section Pull;
/// tokens: https://distribution.github.io/distribution/spec/auth/token/. Anonymous. Answers of 429 and 5xx are tried again.
/// </summary>
internal sealed partial class RegistrySource : IImageSource
{
    private const int Tries = 4;
    private const int MaxDocument = 8 << 20;
    private static readonly TimeSpan HeadersTime = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    private readonly Reference _reference;
    private readonly HttpClient _http;
    private readonly Uri _base;
    private AuthenticationHeaderValue? _authorization;

    public RegistrySource(Reference reference, bool plainHttp)
    {
        _reference = reference;

        // The hub's API is at another name than its images.
        string host = reference.Host == "docker.io" ? "registry-1.docker.io" : reference.Host;
        _base = new Uri($"{(plainHttp ? "http" : "https")}://{host}/v2/{reference.Repository}/");
        _http = new HttpClient(new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(10) }) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <inheritdoc/>
    public async Task<Descriptor> ResolveAsync(CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await GetAsync(new Uri(_base, "manifests/" + _reference.Target), cancellationToken);
        byte[] document = await ReadAsync(response, cancellationToken);
        string mediaType = response.Content.Headers.ContentType?.MediaType ?? "";
        if (mediaType.StartsWith(MediaTypes.DockerSchema1, StringComparison.Ordinal))
        {
            throw new ImageSourceException($"{_reference} is a Docker schema 1 image, which is no longer supported: push it again with a current tool");
        }

        Digest digest = Digest.Sha256(document);
        if (_reference.Digest is { } wanted && wanted.Algorithm == "sha256" && wanted != digest)
        {
            throw new ImageSourceException($"{_reference}: the registry's manifest hashes to {digest}");
        }

        Descriptor named = ImageGraph.TargetDescriptor(document, digest, document.Length);
        return mediaType is MediaTypes.OciIndex or MediaTypes.OciManifest or MediaTypes.DockerList or MediaTypes.DockerManifest
            ? named with { MediaType = mediaType }
            : named;
    }

    /// <inheritdoc/>
    public async Task<Stream> OpenAsync(Descriptor descriptor, CancellationToken cancellationToken)
    {
        string kind = descriptor.IsIndex || descriptor.IsManifest ? "manifests" : "blobs";
        HttpResponseMessage response = await GetAsync(new Uri(_base, $"{kind}/{descriptor.Digest}"), cancellationToken);
        return new StallGuard(await response.Content.ReadAsStreamAsync(cancellationToken), response, descriptor.Digest.ToString());
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _http.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<HttpResponseMessage> GetAsync(Uri address, CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
        {
            string failure;
            TimeSpan pause = TimeSpan.FromMilliseconds(200 * Math.Pow(3, attempt - 1));
            try
            {
                HttpResponseMessage response = await SendAsync(address, cancellationToken);
                if (response.IsSuccessStatusCode)
                {
                    return response;
                }

                using (response)
                {
                    failure = $"{(int)response.StatusCode} {response.ReasonPhrase}";
                    pause = response.Headers.RetryAfter?.Delta is { } asked && asked < LongestPause ? asked : pause;
                    if (response.StatusCode == HttpStatusCode.Unauthorized && attempt == 1)
                    {
                        await AuthorizeAsync(response, cancellationToken);
                        continue;
                    }

                    if (response.StatusCode != HttpStatusCode.TooManyRequests && (int)response.StatusCode < 500)
                    {
                        throw new ImageSourceException($"{_reference}: {address.AbsolutePath} answers {failure}");
                    }
                }
            }
            catch (HttpRequestException e)
            {
                failure = e.Message;
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                failure = $"no answer within {HeadersTime.TotalSeconds} s";
            }

            if (attempt == Tries)
            {
                throw new ImageSourceException($"{_reference}: {address.AbsolutePath}: {failure}, tried {Tries} times");
            }

            await Task.Delay(pause, cancellationToken);
        }
    }

    private async Task<HttpResponseMessage> SendAsync(Uri address, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        foreach (string type in (string[])[MediaTypes.OciIndex, MediaTypes.OciManifest, MediaTypes.DockerList, MediaTypes.DockerManifest, "*/*"])
        {
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(type));
        }

        request.Headers.Authorization = _authorization;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(HeadersTime);
        return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
    }

    private async Task AuthorizeAsync(HttpResponseMessage challenge, CancellationToken cancellationToken)
    {
        AuthenticationHeaderValue? bearer = challenge.Headers.WwwAuthenticate.FirstOrDefault(h => h.Scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase));
        var fields = ParameterPattern().Matches(bearer?.Parameter ?? "").ToDictionary(m => m.Groups[1].Value, m => m.Groups[2].Value, StringComparer.Ordinal);
        if (!fields.TryGetValue("realm", out string? realm) || !Uri.TryCreate(realm, UriKind.Absolute, out Uri? server))
        {
            throw new ImageSourceException($"{_reference}: the registry wants credentials (401)");
        }

        string query = string.Join('&', fields.Where(f => f.Key is "service" or "scope").Select(f => $"{f.Key}={Uri.EscapeDataString(f.Value)}"));
        using HttpResponseMessage response = await _http.GetAsync(new Uri($"{server}?{query}"), cancellationToken);
        JsonObject answer = response.IsSuccessStatusCode
            ? ImageGraph.ParseDocument(await ReadAsync(response, cancellationToken), default)
            : throw new ImageSourceException($"{_reference}: {server.Host} gives no token: {(int)response.StatusCode}");
        string? token = (string?)(answer["token"] ?? answer["access_token"]);
        _authorization = new AuthenticationHeaderValue("Bearer", token ?? throw new ImageSourceException($"{_reference}: {server.Host} answers with no token"));
    }

    private static async Task<byte[]> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        await using Stream stream = new StallGuard(await response.Content.ReadAsStreamAsync(cancellationToken), response, "the answer");
        using var bytes = new MemoryStream();
        byte[] buffer = new byte[1 << 16];
        for (int n; (n = await stream.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            bytes.Write(buffer, 0, n);
            if (bytes.Length > MaxDocument)
            {
                throw new ImageSourceException($"a manifest is longer than {MaxDocument} bytes");
            }
        }

        return bytes.ToArray();
    }

    [GeneratedRegex("([a-z_]+)=\"([^\"]*)\"", RegexOptions.CultureInvariant)]
    private static partial Regex ParameterPattern();
}
