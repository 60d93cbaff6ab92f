using Tomlyn;
using Tomlyn.Model;

namespace Ipcs.Oci.Registry;

/// <summary>
/// Finds the endpoints of a registry by containerd's <c>hosts.toml</c>: mirrors in the order of the file, then the server.
/// Format: https://github.com/containerd/containerd/blob/main/docs/hosts.md.
/// </summary>
internal static class RegistryHosts
{
    /// <summary>The longest file, in bytes.</summary>
    private const int MaxFile = 1 << 18;

    /// <summary>The most mirrors: a content that no mirror has costs a request to each.</summary>
    private const int MaxHosts = 16;

    /// <summary>The endpoints for a reference, in the order in which they are tried.</summary>
    /// <exception cref="ImageSourceException">The file exists and is invalid.</exception>
    public static IReadOnlyList<Endpoint> Find(Reference reference, RegistryOptions options)
    {
        bool plain = options.PlainHttp || reference.IsLocal;

        // The API of Docker Hub has another host name than its images.
        string apiHost = reference.Host == Reference.DefaultHost ? "registry-1.docker.io" : reference.Host;
        var server = new Endpoint { Root = new Uri($"{(plain ? "http" : "https")}://{apiHost}/v2/"), LoginHost = reference.Host };
        if (options.HostsFolder is null || FileOf(options.HostsFolder, reference.Host) is not { } file)
        {
            return [server];
        }

        TomlTable table = Read(file);
        var endpoints = new List<Endpoint>();
        if (table.TryGetValue("host", out object? hosts) && hosts is TomlTable mirrors)
        {
            foreach ((string address, object value) in mirrors)
            {
                if (value is TomlTable settings && Mirror(file, address, settings, reference) is { } mirror)
                {
                    endpoints.Add(mirror);
                }
            }
        }

        if (endpoints.Count > MaxHosts)
        {
            throw new ImageSourceException($"{file} has more than {MaxHosts} hosts");
        }

        // The keys at the top of the file belong to the server.
        Endpoint named = table.TryGetValue("server", out object? text) && text is string url
            ? new Endpoint
            {
                Root = Root(file, url, table),
                LoginHost = reference.Host,
                Namespace = NamespaceFor(file, url, reference),
                Tls = Tls(file, table),
                Headers = HeadersOf(table),
            }
            : new Endpoint { Root = server.Root, LoginHost = reference.Host, Tls = Tls(file, table), Headers = HeadersOf(table) };
        return [.. endpoints, named];
    }

    private static string? FileOf(string folder, string host)
    {
        // Not all file systems allow a colon in a name: containerd accepts host_port_ too.
        int colon = host.LastIndexOf(':');
        string[] names = colon > 0 && !host.EndsWith(']')
            ? [host, $"{host[..colon]}_{host[(colon + 1)..]}_", "_default"]
            : [host, "_default"];
        return names.Select(n => Path.Combine(folder, n, "hosts.toml")).FirstOrDefault(File.Exists);
    }

    private static TomlTable Read(string file)
    {
        try
        {
            return new FileInfo(file).Length > MaxFile
                ? throw new ImageSourceException($"{file} is longer than {MaxFile} bytes")
                : TomlSerializer.Deserialize(File.ReadAllText(file), HostsToml.Default.TomlTable) ?? [];
        }
        catch (Exception e) when (e is TomlException or UnauthorizedAccessException or (IOException and not ImageSourceException))
        {
            throw new ImageSourceException($"{file}: {e.Message}", e);
        }
    }

    private static Endpoint? Mirror(string file, string address, TomlTable settings, Reference reference)
    {
        string[] capabilities = settings.TryGetValue("capabilities", out object? list) ? Strings(list) : ["pull", "resolve"];
        if (!capabilities.Contains("pull", StringComparer.Ordinal))
        {
            return null;
        }

        Uri root = Root(file, address, settings);
        return new Endpoint
        {
            Root = root,
            LoginHost = root.Authority,
            Namespace = reference.Host,
            Resolves = capabilities.Contains("resolve", StringComparer.Ordinal),
            Tls = Tls(file, settings),
            Headers = HeadersOf(settings),
        };
    }

    private static string? NamespaceFor(string file, string url, Reference reference) =>
        reference.Host == Reference.DefaultHost || Parse(file, url).Authority == reference.Host ? null : reference.Host;

    private static Uri Root(string file, string address, TomlTable settings)
    {
        Uri uri = Parse(file, address);
        bool asWritten = settings.TryGetValue("override_path", out object? flag) && flag is true;
        string path = uri.AbsolutePath.TrimEnd('/');

        // Joined as text: as a relative reference, a path that begins with two slashes would name another host.
        string end = asWritten || path.EndsWith("/v2", StringComparison.Ordinal) ? "/" : "/v2/";
        return new Uri(uri.GetLeftPart(UriPartial.Authority) + path + end);
    }

    private static Uri Parse(string file, string address) =>
        Uri.TryCreate(address.Contains("://", StringComparison.Ordinal) ? address : "https://" + address, UriKind.Absolute, out Uri? uri)
            && uri.Scheme is "http" or "https"
            ? uri
            : throw new ImageSourceException($"{file}: '{address}' is not a valid URL of a registry");

    private static EndpointTls Tls(string file, TomlTable settings)
    {
        string folder = Path.GetDirectoryName(file)!;
        bool skip = settings.TryGetValue("skip_verify", out object? flag) && flag is true;
        string[] authorities = settings.TryGetValue("ca", out object? ca) ? [.. Strings(ca).Select(f => Path.Combine(folder, f))] : [];
        var clients = new List<(string, string)>();
        foreach (object? pair in settings.TryGetValue("client", out object? client) ? client is TomlArray array ? array : [client] : [])
        {
            string[] files = [.. Strings(pair).Select(f => Path.Combine(folder, f))];
            if (files.Length > 0)
            {
                clients.Add((files[0], files[^1]));
            }
        }

        return !skip && authorities.Length == 0 && clients.Count == 0 ? EndpointTls.Default : new EndpointTls(skip, authorities, clients);
    }

    private static Dictionary<string, string> HeadersOf(TomlTable settings)
    {
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        if (settings.TryGetValue("header", out object? value) && value is TomlTable table)
        {
            foreach ((string name, object values) in table)
            {
                headers[name] = string.Join(", ", Strings(values));
            }
        }

        return headers;
    }

    private static string[] Strings(object? value) => value switch
    {
        string one => [one],
        TomlArray many => [.. many.OfType<string>()],
        _ => [],
    };
}
