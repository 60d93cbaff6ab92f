using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Text.RegularExpressions;
using Ipcs.Multiformats;

namespace Ipcs.Oci;

/// <summary>
/// An image reference as Docker users write it: <c>alpine</c>, <c>host:5000/team/app:v1@sha256:…</c>.
/// Grammar: https://github.com/distribution/reference/blob/main/reference.go.
/// </summary>
/// <param name="Host">The host of the registry, with its port if one is given.</param>
/// <param name="Repository">The repository in the registry.</param>
/// <param name="Tag">The tag; null when only a digest is given.</param>
/// <param name="Digest">The digest; null when absent.</param>
public sealed partial record Reference(string Host, string Repository, string? Tag, Digest? Digest)
{
    /// <summary>The registry of a reference without a host.</summary>
    public const string DefaultHost = "docker.io";

    /// <summary>True for a registry on this machine, which is reached by plain HTTP.</summary>
    public bool IsLocal => Host.StartsWith("[::1]", StringComparison.Ordinal)
        || (Host.Split(':')[0] is var name && (name == "localhost"
            || (IPAddress.TryParse(name, out IPAddress? address) && IPAddress.IsLoopback(address))));

    /// <summary>The reference in requests to the registry: the digest, else the tag.</summary>
    public string Target => Digest?.ToString() ?? Tag ?? "latest";

    /// <summary>Parses a reference. The tag is <c>latest</c> when neither a tag nor a digest is given.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out Reference? reference)
    {
        reference = null;
        if (text.Length is 0 or > 512)
        {
            return false;
        }

        Digest? digest = null;
        int at = text.IndexOf('@', StringComparison.Ordinal);
        if (at >= 0)
        {
            if (!Multiformats.Digest.TryParse(text[(at + 1)..], out Digest parsed))
            {
                return false;
            }

            digest = parsed;
            text = text[..at];
        }

        string? tag = null;
        int colon = text.LastIndexOf(':');
        if (colon > text.LastIndexOf('/'))
        {
            tag = text[(colon + 1)..];
            text = text[..colon];
            if (!TagPattern().IsMatch(tag))
            {
                return false;
            }
        }

        string host = DefaultHost;
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash > 0
            && (text[..slash] == "localhost" || text[..slash].AsSpan().ContainsAny('.', ':') || text[..slash].Any(char.IsAsciiLetterUpper)))
        {
            host = text[..slash];
            text = text[(slash + 1)..];
            // The pattern accepts some invalid IPv6 addresses and ports.
            if (!HostPattern().IsMatch(host) || !Uri.TryCreate($"https://{host}/", UriKind.Absolute, out _))
            {
                return false;
            }
        }

        // Older names of Docker Hub.
        if (host is "index.docker.io" or "registry-1.docker.io")
        {
            host = DefaultHost;
        }

        if (host == DefaultHost && !text.Contains('/', StringComparison.Ordinal))
        {
            text = "library/" + text;
        }

        if (!RepositoryPattern().IsMatch(text))
        {
            return false;
        }

        reference = new Reference(host, text, tag ?? (digest is null ? "latest" : null), digest);
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Host}/{Repository}{(Tag is null ? "" : ":" + Tag)}{(Digest is null ? "" : "@" + Digest)}";

    [GeneratedRegex(@"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\z", RegexOptions.CultureInvariant)]
    private static partial Regex TagPattern();

    [GeneratedRegex(@"^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?\z", RegexOptions.CultureInvariant)]
    private static partial Regex HostPattern();

    [GeneratedRegex(@"^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\z", RegexOptions.CultureInvariant)]
    private static partial Regex RepositoryPattern();
}
