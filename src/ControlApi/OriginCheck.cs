using System.Net;

namespace Ipcs.ControlApi;

/// <summary>
/// Keeps web pages from calling commands through a browser on this host, where the API listens on TCP. Against cross-site request forgery,
/// <c>Origin</c> or <c>Referer</c> must be the API's own. Against DNS rebinding, <c>Host</c> must be an address or localhost. A Unix socket
/// is out of a browser's reach.
/// </summary>
internal static class OriginCheck
{
    /// <summary>False when a page of another origin may have sent the request.</summary>
    public static bool Allows(HttpContext context)
    {
        // Kestrel has no address for a Unix socket.
        return context.Connection.LocalIpAddress is null || Allows(context.Request.Headers, context.Request.Host);
    }

    /// <summary>The check for a request over TCP, by its headers.</summary>
    public static bool Allows(IHeaderDictionary headers, HostString host)
    {
        if (host.Host != "localhost" && !IPAddress.TryParse(host.Host.Trim('[', ']'), out _))
        {
            return false;
        }

        if (headers.Origin.Count > 0)
        {
            return headers.Origin.All(o => IsSame(o, host));
        }

        // Old browsers send no Origin with some forms. The user agent of every browser starts with Mozilla.
        return headers.Referer.Count > 0
            ? headers.Referer.All(r => IsSame(r, host))
            : !headers.UserAgent.ToString().StartsWith("Mozilla", StringComparison.Ordinal);
    }

    private static bool IsSame(string? origin, HostString host) =>
        Uri.TryCreate(origin, UriKind.Absolute, out Uri? uri)
        && uri.Scheme is "http" or "https"
        && uri.Authority == new Uri($"{uri.Scheme}://{host.Value}").Authority;
}
