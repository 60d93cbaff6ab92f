using System.Text.Json;
using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Oci;
using Ipcs.Oci.Containerd;
using Ipcs.Oci.Credentials;
using Ipcs.Oci.Registry;
using Ipcs.Oci.Sources;

namespace Ipcs.ControlApi;

/// <summary>
/// Opens the sources that a request names. Its body may have logins, <c>{"auths": {HOST: {"username", "password", "identitytoken"}}}</c>: the
/// command looks them up where its user has them. For other hosts the daemon's own files are asked.
/// </summary>
internal sealed class SourceOpener : IDisposable
{
    /// <summary>The longest body, in bytes: a login per source.</summary>
    private const int MaxBody = 1 << 20;

    private readonly IStore _store;
    private readonly string _space;
    private readonly ImageSourceOptions _options;

    private SourceOpener(string containerdAddress, IStore store, ApiRequest request, ICredentials credentials)
    {
        _store = store;
        _space = request.Option("namespace") ?? "default";
        Containerd = new ContainerdClient(containerdAddress);
        _options = new ImageSourceOptions
        {
            Registry = new RegistryOptions { PlainHttp = request.Flag("plain-http"), Credentials = credentials },
            Containerd = name => FromContainerd = new ContainerdSource(Containerd, _space, name),
        };
    }

    /// <summary>containerd's services.</summary>
    public ContainerdClient Containerd { get; }

    /// <summary>The last source opened that is an image of containerd's; null when none is.</summary>
    public ContainerdSource? FromContainerd { get; private set; }

    /// <summary>Reads what the request says of sources.</summary>
    public static async Task<SourceOpener> OfAsync(string containerdAddress, IStore store, ApiRequest request)
    {
        var own = CredentialFiles.OfUser(Environment.GetEnvironmentVariable);
        return new SourceOpener(containerdAddress, store, request, await ReadLoginsAsync(request) is { } given ? new GivenCredentials(given, own) : own);
    }

    /// <summary>Opens a source; what the store has of it is read from there.</summary>
    public async Task<IImageSource> OpenAsync(string text, CancellationToken cancellationToken)
    {
        try
        {
            return new LocalFirstSource(await ImageSource.OpenAsync(text, _options, cancellationToken), _store);
        }
        catch (FormatException e)
        {
            throw ApiException.Bad(e.Message);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Containerd.Dispose();

    private static async Task<Dictionary<string, Login>?> ReadLoginsAsync(ApiRequest request)
    {
        using var body = new MemoryStream();
        byte[] buffer = new byte[1 << 14];
        for (int n; (n = await request.Body.ReadAsync(buffer, request.Aborted)) > 0;)
        {
            body.Write(buffer, 0, n);
            if (body.Length > MaxBody)
            {
                throw ApiException.Bad($"the body is longer than {MaxBody} bytes");
            }
        }

        if (body.Length == 0)
        {
            return null;
        }

        try
        {
            var logins = new Dictionary<string, Login>(StringComparer.Ordinal);
            foreach ((string host, JsonNode? login) in JsonNode.Parse(body.ToArray())?["auths"]?.AsObject() ?? [])
            {
                logins[host] = new Login((string?)login?["username"] ?? "", (string?)login?["password"] ?? "", (string?)login?["identitytoken"]);
            }

            return logins;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw ApiException.Bad("the body is not {\"auths\": …}");
        }
    }
}
