using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Ipcs.Oci.Credentials;

/// <summary>
/// Finds logins in the files of Docker and Podman, and by the credential helpers that these name. Formats:
/// https://docs.docker.com/reference/cli/docker/login/ and https://man.archlinux.org/man/containers-auth.json.5.
/// </summary>
/// <param name="files">The paths of the files, which are read in this order.</param>
/// <param name="time">The clock for the timeout of helpers.</param>
public sealed class CredentialFiles(IReadOnlyList<string> files, TimeProvider time) : ICredentials
{
    /// <summary>The longest file, in bytes: it has a few lines per registry.</summary>
    private const int MaxFile = 1 << 20;

    private const string Hub = "docker.io";

    /// <summary>The key of Docker Hub in Docker's file.</summary>
    private const string HubKey = "https://index.docker.io/v1/";

    /// <summary>The files of the user with this environment.</summary>
    public static CredentialFiles OfUser(Func<string, string?> environment, TimeProvider time)
    {
        string home = environment("HOME") is { Length: > 0 } h ? h : "/root";
        string config = environment("XDG_CONFIG_HOME") is { Length: > 0 } x ? x : Path.Combine(home, ".config");
        var files = new List<string>();
        if (environment("REGISTRY_AUTH_FILE") is { Length: > 0 } named)
        {
            files.Add(named);
        }

        if (environment("DOCKER_CONFIG") is { Length: > 0 } folder)
        {
            files.Add(Path.Combine(folder, "config.json"));
        }

        files.Add(environment("XDG_RUNTIME_DIR") is { Length: > 0 } run
            ? Path.Combine(run, "containers/auth.json")
            : "/run/containers/0/auth.json");
        files.Add(Path.Combine(config, "containers/auth.json"));
        files.Add(Path.Combine(home, ".docker/config.json"));
        return new CredentialFiles(files, time);
    }

    /// <inheritdoc/>
    public async Task<Login?> FindAsync(string host, string repository, CancellationToken cancellationToken)
    {
        foreach (string file in files)
        {
            if (await ReadAsync(file, cancellationToken) is { } content
                && await FindInAsync(file, content, host, repository, cancellationToken) is { } login)
            {
                return login;
            }
        }

        return null;
    }

    private async Task<Login?> FindInAsync(
        string file, JsonObject content, string host, string repository, CancellationToken cancellationToken)
    {
        string server = host == Hub ? HubKey : host;
        string? helper = Text((content["credHelpers"] as JsonObject)?[host]) ?? Text((content["credHelpers"] as JsonObject)?[server]);
        helper ??= Text(content["credsStore"]);
        if (helper is { Length: > 0 } && await CredentialHelper.GetAsync(helper, server, time, cancellationToken) is { } login)
        {
            return login;
        }

        if (content["auths"] is not JsonObject auths)
        {
            return null;
        }

        foreach (string key in Keys(host, repository))
        {
            if (auths[key] is JsonObject entry && Decode(file, entry) is { } found)
            {
                return found;
            }
        }

        // In older files the keys are URLs.
        return auths.Where(a => HostOf(a.Key) == host && a.Key.Contains("://", StringComparison.Ordinal))
            .Select(a => a.Value is JsonObject entry ? Decode(file, entry) : null).FirstOrDefault(l => l is not null);
    }

    /// <summary>
    /// The keys to look for, in order: Podman's file may have logins for parts of a registry, of which the longest match counts.
    /// </summary>
    private static IEnumerable<string> Keys(string host, string repository)
    {
        for (string path = $"{host}/{repository}"; ; path = path[..path.LastIndexOf('/')])
        {
            yield return path;
            if (path == host)
            {
                break;
            }
        }

        if (host == Hub)
        {
            yield return HubKey;
            yield return "index.docker.io";
        }
    }

    private static string HostOf(string key) => Uri.TryCreate(key, UriKind.Absolute, out Uri? uri) ? uri.Authority : key;

    private static Login? Decode(string file, JsonObject entry)
    {
        string? token = Text(entry["identitytoken"]);
        if (token is { Length: > 0 })
        {
            return new Login("", "", token);
        }

        if (Text(entry["auth"]) is not { Length: > 0 } auth)
        {
            return Text(entry["username"]) is { Length: > 0 } user ? new Login(user, Text(entry["password"]) ?? "", null) : null;
        }

        byte[] buffer = new byte[auth.Length];
        string pair = Convert.TryFromBase64String(auth, buffer, out int n) ? Encoding.UTF8.GetString(buffer, 0, n).TrimEnd('\0') : "";
        int colon = pair.IndexOf(':', StringComparison.Ordinal);
        return colon > 0
            ? new Login(pair[..colon], pair[(colon + 1)..], null)
            : throw new ImageSourceException($"{file}: an entry's auth is not the base64 of USER:PASSWORD");
    }

    private static async Task<JsonObject?> ReadAsync(string file, CancellationToken cancellationToken)
    {
        try
        {
            var info = new FileInfo(file);
            if (!info.Exists)
            {
                return null;
            }

            if (info.Length > MaxFile)
            {
                throw new ImageSourceException($"{file} is longer than {MaxFile} bytes");
            }

            return JsonText.Parse(await File.ReadAllBytesAsync(file, cancellationToken)) as JsonObject;
        }
        catch (JsonException e)
        {
            throw new ImageSourceException($"{file} is not valid JSON: {e.Message}", e);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or (IOException and not ImageSourceException))
        {
            throw new ImageSourceException($"cannot read {file}: {e.Message}", e);
        }
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;
}
