using System.Net.Http.Headers;

namespace Ipcs.Oci.Registry;

/// <summary>One place where a registry's images can be had: the registry itself or a mirror of it.</summary>
internal sealed class Endpoint
{
    /// <summary>The root of its API, such as <c>https://host/v2/</c>; ends with a slash.</summary>
    public required Uri Root { get; init; }

    /// <summary>The host by which logins are looked up.</summary>
    public required string LoginHost { get; init; }

    /// <summary>The host whose images a mirror is asked for; null at the registry itself.</summary>
    public string? Namespace { get; init; }

    /// <summary>True when it may say what a tag stands for.</summary>
    public bool Resolves { get; init; } = true;

    /// <summary>How TLS is done there.</summary>
    public EndpointTls Tls { get; init; } = EndpointTls.Default;

    /// <summary>Headers that each request carries.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>(0);

    /// <summary>What the last challenge asked for; null before the first.</summary>
    public AuthenticationHeaderValue? Authorization { get; set; }
}

/// <summary>How TLS is done.</summary>
/// <param name="SkipVerify">True to take any certificate.</param>
/// <param name="Authorities">Files of certificates to trust beside the system's.</param>
/// <param name="Clients">Pairs of files, certificate and key, to show.</param>
internal sealed record EndpointTls(bool SkipVerify, IReadOnlyList<string> Authorities, IReadOnlyList<(string Certificate, string Key)> Clients)
{
    public static readonly EndpointTls Default = new(false, [], []);
}
