using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ipcs.Oci.Registry;

/// <summary>
/// Sends requests to a registry and its mirrors. Spec: https://github.com/opencontainers/distribution-spec/blob/main/spec.md, section
/// Pull. After an answer of 429 or 5xx or a broken connection a request is repeated, with a delay. Redirects are followed; credentials
/// are not sent to other hosts.
/// </summary>
internal sealed class RegistryClient : IDisposable
{
    /// <summary>The most redirects: registries redirect once, to their storage.</summary>
    private const int MaxRedirects = 5;

    private static readonly TimeSpan ConnectTime = TimeSpan.FromSeconds(10);

    private readonly Reference _reference;
    private readonly RegistryOptions _options;
    private readonly Lazy<IReadOnlyList<Endpoint>> _endpoints;
    private readonly Dictionary<EndpointTls, HttpMessageInvoker> _clients = [];
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _authorizing = new(1);

    public RegistryClient(Reference reference, RegistryOptions options)
    {
        _reference = reference;
        _options = options;
        _endpoints = new Lazy<IReadOnlyList<Endpoint>>(() => RegistryHosts.Find(reference, options));
    }

    /// <summary>
    /// Gets a path below the repository (<c>manifests/…</c>, <c>blobs/…</c>) from the first endpoint that has it. The caller
    /// disposes the answer.
    /// </summary>
    /// <exception cref="ImageSourceException">No endpoint has it; the message has the answer of the registry itself.</exception>
    public async Task<HttpResponseMessage> GetAsync(
        string path, RangeHeaderValue? range, bool resolving, CancellationToken cancellationToken)
    {
        Endpoint[] endpoints = [.. _endpoints.Value.Where(e => e.Resolves || !resolving)];
        foreach (Endpoint mirror in endpoints[..^1])
        {
            try
            {
                return await GetFromAsync(mirror, path, range, tries: 1, cancellationToken);
            }
            catch (ImageSourceException)
            {
                // The next endpoint may have it. The last one is the registry itself, whose answer counts.
            }
        }

        return await GetFromAsync(endpoints[^1], path, range, _options.Tries, cancellationToken);
    }

    /// <summary>Reads an answer of at most <paramref name="max"/> bytes.</summary>
    /// <exception cref="ImageSourceException">The answer is longer, breaks off or stalls; the message begins with
    /// <paramref name="what"/>.</exception>
    public static async Task<byte[]> ReadAsync(
        HttpResponseMessage response, int max, RegistryOptions options, string what, CancellationToken cancellationToken)
    {
        await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var bytes = new MemoryStream();
        byte[] buffer = new byte[1 << 16];
        using var stall = new CancellationTokenSource(options.StallTime, options.Time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stall.Token);
        try
        {
            for (int n; ;)
            {
                stall.CancelAfter(options.StallTime);
                n = await stream.ReadAsync(buffer, limit.Token);
                if (n == 0)
                {
                    return bytes.ToArray();
                }

                bytes.Write(buffer, 0, n);
                if (bytes.Length > max)
                {
                    throw new ImageSourceException($"{what} is longer than {max} bytes");
                }
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ImageSourceException($"{what}: nothing was received for {options.StallTime.TotalSeconds:0.#} s");
        }
        catch (Exception e) when (e is HttpRequestException or (IOException and not ImageSourceException))
        {
            throw new ImageSourceException($"{what} broke off: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (HttpMessageInvoker client in _clients.Values)
        {
            client.Dispose();
        }

        _authorizing.Dispose();
    }

    private async Task<HttpResponseMessage> GetFromAsync(
        Endpoint endpoint, string path, RangeHeaderValue? range, int tries, CancellationToken cancellationToken)
    {
        string query = endpoint.Namespace is null ? "" : "?ns=" + Uri.EscapeDataString(endpoint.Namespace);
        var address = new Uri(endpoint.Root, $"{_reference.Repository}/{path}{query}");
        bool authorized = false;
        TimeSpan delay = _options.FirstPause;
        for (int attempt = 1; ; attempt++)
        {
            string failure;
            TimeSpan? retryAfter = null;
            AuthenticationHeaderValue? used = endpoint.Authorization;
            try
            {
                HttpResponseMessage response = await FollowAsync(endpoint, address, range, used, cancellationToken);
                if (response.IsSuccessStatusCode
                    || (range is not null && response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable))
                {
                    return response;
                }

                using (response)
                {
                    failure = $"{(int)response.StatusCode} {response.ReasonPhrase}";
                    if (response.StatusCode == HttpStatusCode.Unauthorized && !authorized)
                    {
                        // An expired token does not count as an attempt.
                        authorized = true;
                        attempt--;
                        await AuthorizeAsync(endpoint, used, response, cancellationToken);
                        continue;
                    }

                    retryAfter = RetryAfter(response);
                    ThrowIfFinal(address, response, failure);
                }
            }
            catch (HttpRequestException e)
            {
                failure = e.InnerException?.Message ?? e.Message;
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                failure = $"no answer within {_options.AnswerTime.TotalSeconds:0.#} s";
            }

            if (attempt >= tries)
            {
                throw new ImageSourceException(
                    $"{_reference}: {address.Authority}{address.AbsolutePath}: {failure}, tried {attempt} times");
            }

            TimeSpan wait = retryAfter > delay ? retryAfter.Value : delay;
            await Task.Delay(wait < _options.LongestPause ? wait : _options.LongestPause, _options.Time, cancellationToken);
            delay *= 2;
        }
    }

    /// <summary>The delay that the header Retry-After asks for, in seconds or as a date; null when it is absent.</summary>
    private TimeSpan? RetryAfter(HttpResponseMessage response) =>
        response.Headers.RetryAfter?.Delta ?? (response.Headers.RetryAfter?.Date is { } date ? date - _options.Time.GetUtcNow() : null);

    private void ThrowIfFinal(Uri address, HttpResponseMessage response, string failure)
    {
        if (response.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout || (int)response.StatusCode >= 500)
        {
            return;
        }

        throw new ImageSourceException(response.StatusCode switch
        {
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => $"{_reference}: {address.Authority} refuses access: {failure}",
            HttpStatusCode.NotFound => $"{_reference}: {address.Authority} has no {address.AbsolutePath}",
            _ => $"{_reference}: {address.Authority}{address.AbsolutePath} answers {failure}",
        });
    }

    /// <summary>Meets a challenge. One at a time per image, so that layers that are challenged together share one token.</summary>
    private async Task AuthorizeAsync(
        Endpoint endpoint, AuthenticationHeaderValue? used, HttpResponseMessage refusal, CancellationToken cancellationToken)
    {
        await _authorizing.WaitAsync(cancellationToken);
        try
        {
            if (ReferenceEquals(endpoint.Authorization, used))
            {
                var authorizer = new Authorizer(_reference, _options, (request, token) => SendAsync(EndpointTls.Default, request, token));
                endpoint.Authorization = await authorizer.MeetAsync(endpoint, refusal, cancellationToken);
            }
        }
        finally
        {
            _authorizing.Release();
        }
    }

    private async Task<HttpResponseMessage> FollowAsync(
        Endpoint endpoint,
        Uri address,
        RangeHeaderValue? range,
        AuthenticationHeaderValue? authorization,
        CancellationToken cancellationToken)
    {
        Uri current = address;
        for (int redirects = 0; ; redirects++)
        {
            bool home = current.Scheme == address.Scheme && current.Authority == address.Authority;
            using var request = new HttpRequestMessage(HttpMethod.Get, current);
            request.Headers.Range = range;
            if (home)
            {
                AddHeaders(request, endpoint, authorization);
            }

            HttpResponseMessage response = await SendAsync(home ? endpoint.Tls : EndpointTls.Default, request, cancellationToken);
            if ((int)response.StatusCode is not (301 or 302 or 303 or 307 or 308) || response.Headers.Location is not { } location)
            {
                return response;
            }

            response.Dispose();
            if (!Uri.TryCreate(current, location, out Uri? next))
            {
                throw new ImageSourceException(
                    $"{_reference}: {address.Authority} redirects to '{location.OriginalString}', which is not a valid URL");
            }

            if (redirects == MaxRedirects || next.Scheme is not ("http" or "https") || (next.Scheme == "http" && current.Scheme == "https"))
            {
                throw new ImageSourceException(redirects == MaxRedirects
                    ? $"{_reference}: {address.Authority} redirects more than {MaxRedirects} times"
                    : $"{_reference}: {address.Authority} redirects to {next.Scheme}://{next.Authority}, which is not followed");
            }

            current = next;
        }
    }

    private static void AddHeaders(HttpRequestMessage request, Endpoint endpoint, AuthenticationHeaderValue? authorization)
    {
        string[] accepted = [MediaTypes.OciIndex, MediaTypes.OciManifest, MediaTypes.DockerList, MediaTypes.DockerManifest, "*/*"];
        foreach (string type in accepted)
        {
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(type));
        }

        foreach ((string name, string value) in endpoint.Headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        request.Headers.Authorization = authorization ?? request.Headers.Authorization;
    }

    private async Task<HttpResponseMessage> SendAsync(EndpointTls tls, HttpRequestMessage request, CancellationToken cancellationToken)
    {
        request.Headers.UserAgent.Add(new ProductInfoHeaderValue("ipcs", null));
        using var timeout = new CancellationTokenSource(_options.AnswerTime, _options.Time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        return await ClientFor(tls).SendAsync(request, limit.Token);
    }

    private HttpMessageInvoker ClientFor(EndpointTls tls)
    {
        lock (_lock)
        {
            if (!_clients.TryGetValue(tls, out HttpMessageInvoker? client))
            {
                client = new HttpMessageInvoker(Handler(tls));
                _clients.Add(tls, client);
            }

            return client;
        }
    }

    private static SocketsHttpHandler Handler(EndpointTls tls)
    {
        var handler = new SocketsHttpHandler { ConnectTimeout = ConnectTime, AllowAutoRedirect = false, UseCookies = false };
        try
        {
            if (tls.Clients.Count > 0)
            {
                handler.SslOptions.ClientCertificates =
                    [.. tls.Clients.Select(c => X509Certificate2.CreateFromPemFile(c.Certificate, c.Key))];
            }

            var authorities = new X509Certificate2Collection();
            foreach (string file in tls.Authorities)
            {
                authorities.ImportFromPemFile(file);
            }

            if (tls.SkipVerify || authorities.Count > 0)
            {
                handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
                    tls.SkipVerify || errors == SslPolicyErrors.None || IsTrusted(certificate, chain, errors, authorities);
            }

            return handler;
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            handler.Dispose();
            throw new ImageSourceException($"a certificate of hosts.toml cannot be loaded: {e.Message}", e);
        }
    }

    /// <summary>Accepts a certificate whose host name matches and whose chain ends at one of the given authorities.</summary>
    private static bool IsTrusted(
        X509Certificate? certificate, X509Chain? sent, SslPolicyErrors errors, X509Certificate2Collection authorities)
    {
        if (certificate is not X509Certificate2 leaf || errors != SslPolicyErrors.RemoteCertificateChainErrors)
        {
            return false;
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        foreach (X509ChainElement element in sent?.ChainElements ?? Enumerable.Empty<X509ChainElement>())
        {
            chain.ChainPolicy.ExtraStore.Add(element.Certificate);
        }

        return chain.Build(leaf);
    }
}
