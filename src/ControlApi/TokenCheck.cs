using System.Security.Cryptography;
using System.Text;

namespace Ipcs.ControlApi;

/// <summary>
/// Lets requests over TCP pass only with the token of the option <c>api-token</c>, in the header <c>Authorization: Bearer TOKEN</c>. The
/// file's mode protects the Unix socket. Spec: https://www.rfc-editor.org/rfc/rfc6750#section-2.1.
/// </summary>
internal sealed class TokenCheck
{
    private const string Scheme = "Bearer ";

    private readonly byte[]? _hash;

    /// <summary>Creates the check.</summary>
    /// <param name="token">The token; null when none is needed.</param>
    public TokenCheck(string? token) => _hash = token is null ? null : Hash(token);

    /// <summary>False when the request is over TCP and has no or another token.</summary>
    public bool Allows(HttpContext context) =>
        _hash is null || context.Connection.LocalIpAddress is null || Allows(context.Request.Headers);

    /// <summary>The check for a request over TCP, by its headers. The time that it takes says nothing about the token.</summary>
    public bool Allows(IHeaderDictionary headers) => _hash is null
        || (headers.Authorization is [{ } given]
            && given.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            && CryptographicOperations.FixedTimeEquals(Hash(given[Scheme.Length..].Trim()), _hash));

    // Hashes have the same length, which the comparison needs.
    private static byte[] Hash(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));
}
