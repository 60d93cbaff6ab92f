using System.CommandLine;
using System.Text.Json.Nodes;

namespace Ipcs.CommandLine;

/// <summary>The options that every client command takes.</summary>
public sealed class GlobalOptions(CliSettings settings)
{
    /// <summary>What the program passes to its command line.</summary>
    public CliSettings Settings { get; } = settings;

    /// <summary>The daemon's control socket.</summary>
    public Option<string?> ApiSocket { get; } = new("--api-socket")
    {
        Description = "the daemon's control socket (also IPCS_API_SOCKET)",
        Recursive = true,
        HelpName = "PATH",
    };

    /// <summary>Whether to print JSON.</summary>
    public Option<bool> Json { get; } = new("--json")
    {
        Description = "print one JSON document, or one per line while streaming",
        Recursive = true,
    };

    /// <summary>A client of the daemon that the command line selects.</summary>
    public ApiClient Client(ParseResult parsed) => new(Socket(parsed));

    /// <summary>The control socket of the daemon that the command line selects.</summary>
    public string Socket(ParseResult parsed) =>
        parsed.GetValue(ApiSocket)
        ?? (Environment.GetEnvironmentVariable("IPCS_API_SOCKET") is { Length: > 0 } socket ? socket : Settings.ApiSocket);

    /// <summary>Prints a document as JSON with <c>--json</c>, else by <paramref name="text"/>.</summary>
    public void Print(ParseResult parsed, JsonNode document, Action<JsonNode> text)
    {
        if (parsed.GetValue(Json))
        {
            Terminal.Json(document);
        }
        else
        {
            text(document);
        }
    }

    /// <summary>A boolean as the control API expects it.</summary>
    public static string Text(bool value) => value ? "true" : "false";

    /// <summary>A query of the pairs whose value is not null.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Query(params (string Key, string? Value)[] pairs) =>
        pairs.Where(p => p.Value is not null).Select(p => KeyValuePair.Create(p.Key, p.Value!));
}
