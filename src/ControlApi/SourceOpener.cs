using System.Text.Json;
using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Oci;
using Ipcs.Oci.Containerd;
using Ipcs.Oci.Credentials;
using Ipcs.Oci.Registry;
using Ipcs.Oci.Sources;
using Ipcs.Oci.Transports;

namespace Ipcs.ControlApi;

/// <summary>
/// Opens the image sources that a request names. The command sends its user's logins in the body,
/// <c>{"auths": {HOST: {"username", "password", "identitytoken"}}}</c>. For other hosts the daemon's own credential files are used.
/// </summary>
internal sealed class SourceOpener : IDisposable
{
    /// <summary>The longest body in bytes. It has at most one login per source.</summary>
    private const int MaxBody = 1 << 20;

    private readonly IStore _store;
    private readonly string _containerdNamespace;
    private readonly ImageTransportOptions _options;

    private SourceOpener(string containerdAddress, IStore store, ApiRequest request, ICredentials credentials, TimeProvider time)
    {
        _store = store;
        _containerdNamespace = request.Option("namespace") ?? "default";
        Containerd = new ContainerdClient(containerdAddress, time);
        _options = new ImageTransportOptions
        {
            Registry = new RegistryOptions { Time = time, PlainHttp = request.Flag("plain-http"), Credentials = credentials },
            Containerd = name => FromContainerd = new ContainerdSource(Containerd, _containerdNamespace, name),
        };
    }

    /// <summary>The client of containerd.</summary>
    public ContainerdClient Containerd { get; }

    /// <summary>The last opened source that is an image in containerd; null when there is none.</summary>
    public ContainerdSource? FromContainerd { get; private set; }

    /// <summary>Reads the options and the logins of a request.</summary>
    public static async Task<SourceOpener> CreateAsync(string containerdAddress, IStore store, ApiRequest request, TimeProvider time)
    {
        var own = CredentialFiles.OfUser(Environment.GetEnvironmentVariable, time);
        Dictionary<string, Login>? given = await ReadLoginsAsync(request);
        return new SourceOpener(containerdAddress, store, request, given is null ? own : new GivenCredentials(given, own), time);
    }

    /// <summary>Opens a source. Contents that are in the store are read from there.</summary>
    public async Task<IImageSource> OpenAsync(string text, CancellationToken cancellationToken)
    {
        try
        {
            return new LocalFirstSource(await ImageTransport.OpenAsync(text, _options, cancellationToken), _store);
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
                logins[host] = new Login(
                    (string?)login?["username"] ?? "", (string?)login?["password"] ?? "", (string?)login?["identitytoken"]);
            }

            return logins;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw ApiException.Bad("the body is not {\"auths\": …}");
        }
    }
}
