using System.Net.Http.Headers;

namespace Ipcs.Oci.Registry;

/// <summary>A server that has the images of a registry: the registry itself or a mirror.</summary>
internal sealed class Endpoint
{
    /// <summary>The root URL of its API, such as <c>https://host/v2/</c>; ends with a slash.</summary>
    public required Uri Root { get; init; }

    /// <summary>The host whose login is used.</summary>
    public required string LoginHost { get; init; }

    /// <summary>The registry that a mirror is asked for (the parameter <c>ns</c>); null at the registry itself.</summary>
    public string? Namespace { get; init; }

    /// <summary>True when tags may be resolved here (the capability <c>resolve</c>).</summary>
    public bool Resolves { get; init; } = true;

    /// <summary>The TLS settings.</summary>
    public EndpointTls Tls { get; init; } = EndpointTls.Default;

    /// <summary>Headers of each request.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>(0);

    /// <summary>The credentials that met the last challenge; null before the first.</summary>
    public AuthenticationHeaderValue? Authorization { get; set; }
}
