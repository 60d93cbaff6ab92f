using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Ipcs.CommandLine;

/// <summary><c>routing provide|findprovs|findpeer</c>.</summary>
internal static class RoutingCommands
{
    /// <summary>Builds the commands.</summary>
    public static Command Build(GlobalOptions global) => NodeCommands.Group("routing", "the DHT: providers and addresses of peers", [
        Streaming(
            global,
            "provide",
            "announce in the DHT that this node has a content",
            "routing/provide",
            "CID",
            line => Terminal.Line($"announced to {line["Extra"]} peers")),
        FindProviders(global),
        Streaming(global, "findpeer", "find the addresses of a peer", "routing/findpeer", "PEER", PrintAddresses)]);

    private static Command FindProviders(GlobalOptions global)
    {
        var command = new Command("findprovs", "find the providers of a content");
        var key = new Argument<string>("CID");
        Option<long?> count = OptionValues.Number("--num-providers", "-n", "how many to find", "N", min: 1, fallback: 20);
        command.Arguments.Add(key);
        command.Options.Add(count);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ApiClient client = global.Client(parsed);
            var query = GlobalOptions.Query(
                ("arg", parsed.GetRequiredValue(key)),
                ("num-providers", parsed.GetValue(count)?.ToString(CultureInfo.InvariantCulture)));
            await foreach (JsonNode line in client.LinesAsync("routing/findprovs", query, body: null, cancellationToken))
            {
                global.Print(parsed, line, l => Responses(l, p => Terminal.Line($"{p["ID"]}")));
            }

            return 0;
        });
        return command;
    }

    private static Command Streaming(GlobalOptions global, string name, string help, string path, string argument, Action<JsonNode> text)
    {
        var command = new Command(name, help);
        var arg = new Argument<string>(argument);
        command.Arguments.Add(arg);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ApiClient client = global.Client(parsed);
            var query = GlobalOptions.Query(("arg", parsed.GetRequiredValue(arg)));
            await foreach (JsonNode line in client.LinesAsync(path, query, body: null, cancellationToken))
            {
                global.Print(parsed, line, text);
            }

            return 0;
        });
        return command;
    }

    private static void PrintAddresses(JsonNode line) => Responses(line, peer =>
    {
        foreach (JsonNode? address in peer["Addrs"]!.AsArray())
        {
            Terminal.Line($"{address}");
        }
    });

    private static void Responses(JsonNode line, Action<JsonNode> each)
    {
        foreach (JsonNode? response in line["Responses"]?.AsArray() ?? [])
        {
            each(response!);
        }
    }
}
