using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Ipcs.Multiformats;
using Ipcs.Oci.Credentials;

namespace Ipcs.Oci.Registry;

/// <summary>Meets the challenges of a registry: with the login itself, or with a token from the registry's token server.</summary>
internal sealed class Authorizer(
    Reference reference, RegistryOptions options, Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> send)
{
    /// <summary>The longest token, in characters: servers accept no longer headers.</summary>
    private const int MaxToken = 32 << 10;

    /// <summary>The longest answer of a token server, in bytes.</summary>
    private const int MaxAnswer = 256 << 10;

    /// <summary>The Authorization header that meets a challenge.</summary>
    /// <exception cref="ImageSourceException">There is no login, or the token server refuses it.</exception>
    public async Task<AuthenticationHeaderValue> MeetAsync(
        Endpoint endpoint, HttpResponseMessage refusal, CancellationToken cancellationToken)
    {
        Challenge challenge = Challenge.Best(refusal.Headers.WwwAuthenticate)
            ?? throw new ImageSourceException($"{reference}: {endpoint.Root.Authority} answers 401 without a Basic or Bearer challenge");
        Login? login = await options.Credentials.FindAsync(endpoint.LoginHost, reference.Repository, cancellationToken);
        if (challenge.Scheme == "Bearer")
        {
            return await GetTokenAsync(endpoint, challenge, login, cancellationToken);
        }

        return login is { User.Length: > 0 }
            ? Basic(login)
            : throw new ImageSourceException(
                $"{reference}: {endpoint.Root.Authority} requires a login (401): "
                + "use docker login, podman login, or a credential helper");
    }

    private static AuthenticationHeaderValue Basic(Login login) =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{login.User}:{login.Secret}")));

    private async Task<AuthenticationHeaderValue> GetTokenAsync(
        Endpoint endpoint, Challenge challenge, Login? login, CancellationToken cancellationToken)
    {
        if (!challenge.Fields.TryGetValue("realm", out string? realm)
            || !Uri.TryCreate(realm, UriKind.Absolute, out Uri? server)
            || server.Scheme is not ("http" or "https"))
        {
            throw new ImageSourceException($"{reference}: {endpoint.Root.Authority} answers 401 without a valid token server");
        }

        // A registry that is reached by TLS must not make the client send a password in the clear.
        if (server.Scheme == "http" && endpoint.Root.Scheme == "https" && login is not null)
        {
            throw new ImageSourceException(
                $"{reference}: the token server {server.Authority} uses plain HTTP, unlike the registry: no login is sent to it");
        }

        using HttpRequestMessage request = TokenRequest(server, challenge, login);
        using HttpResponseMessage response = await send(request, cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            string anonymous = login is null ? " without a login" : "";
            throw new ImageSourceException(
                $"{reference}: {server.Authority} gives no token{anonymous}: {(int)response.StatusCode} {response.ReasonPhrase}");
        }

        byte[] bytes = await RegistryClient.ReadAsync(response, MaxAnswer, options, $"the token of {server.Authority}", cancellationToken);
        JsonObject answer = ImageGraph.ParseDocument(bytes, Digest.Sha256(bytes));
        string? token = Text(answer["token"]) ?? Text(answer["access_token"]);
        return token is { Length: > 0 and <= MaxToken } && !token.AsSpan().ContainsAnyExceptInRange('!', '~')
            ? new AuthenticationHeaderValue("Bearer", token)
            : throw new ImageSourceException($"{reference}: {server.Authority} answers without a valid token");
    }

    private HttpRequestMessage TokenRequest(Uri server, Challenge challenge, Login? login)
    {
        string service = challenge.Fields.GetValueOrDefault("service", "");
        string scope = challenge.Fields.GetValueOrDefault("scope", $"repository:{reference.Repository}:pull");
        if (login?.IdentityToken is { } identity)
        {
            return new HttpRequestMessage(HttpMethod.Post, server)
            {
                Content = new FormUrlEncodedContent(
                [
                    new("grant_type", "refresh_token"),
                    new("refresh_token", identity),
                    new("service", service),
                    new("scope", scope),
                    new("client_id", "ipcs"),
                ]),
            };
        }

        var query = new StringBuilder(server.Query.TrimStart('?'));
        foreach ((string name, string value) in ((string, string)[])[("service", service), .. scope.Split(' ').Select(s => ("scope", s))])
        {
            if (value.Length > 0)
            {
                query.Append(query.Length > 0 ? "&" : "").Append(name).Append('=').Append(Uri.EscapeDataString(value));
            }
        }

        var request = new HttpRequestMessage(HttpMethod.Get, new UriBuilder(server) { Query = query.ToString() }.Uri);
        request.Headers.Authorization = login is { User.Length: > 0 } ? Basic(login) : null;
        return request;
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;
}
