using System.Net;

namespace Ipcs.ControlApi;

/// <summary>
/// Keeps web pages from calling commands through a browser on this host, where the API is on TCP. A page of another origin says so in
/// <c>Origin</c> or <c>Referer</c> (cross-site request forgery); one whose name was pointed at our address says its name in <c>Host</c> (DNS
/// rebinding), so a host must be an address or localhost. No browser reaches a unix socket.
/// </summary>
internal static class OriginCheck
{
    /// <summary>False when the request may come from a page that isn't ours.</summary>
    public static bool Allows(HttpContext context)
    {
        // Kestrel has no address for a unix socket's peer.
        return context.Connection.LocalIpAddress is null || Allows(context.Request.Headers, context.Request.Host);
    }

    /// <summary>The same, of the headers alone.</summary>
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

        // Old browsers say no origin with some forms; they do call themselves Mozilla, all of them.
        return headers.Referer.Count > 0
            ? headers.Referer.All(r => IsSame(r, host))
            : !headers.UserAgent.ToString().StartsWith("Mozilla", StringComparison.Ordinal);
    }

    private static bool IsSame(string? origin, HostString host) =>
        Uri.TryCreate(origin, UriKind.Absolute, out Uri? uri)
        && uri.Scheme is "http" or "https"
        && uri.Authority == new Uri($"{uri.Scheme}://{host.Value}").Authority;
}
