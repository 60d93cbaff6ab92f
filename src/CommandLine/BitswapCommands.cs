using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Ipcs.CommandLine;

/// <summary><c>bitswap stat|ledger|wantlist</c>.</summary>
internal static class BitswapCommands
{
    /// <summary>Builds the command.</summary>
    public static Command Build(GlobalOptions global) => NodeCommands.Group("bitswap", "the exchange of blocks with peers", [
        Stat(global),
        NodeCommands.WithArg(global, "ledger", "bytes sent to and received from a peer", "bitswap/ledger", "PEER", PrintPairs),
        Wantlist(global)]);

    private static Command Stat(GlobalOptions global)
    {
        var command = new Command("stat", "blocks and bytes sent and received, wanted blocks, connected peers");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ApiClient client = global.Client(parsed);
            global.Print(parsed, await client.CallAsync("bitswap/stat", [], cancellationToken), PrintPairs);
            return 0;
        });
        return command;
    }

    private static Command Wantlist(GlobalOptions global)
    {
        var command = new Command("wantlist", "list the wanted blocks");
        var peer = new Option<string>("--peer", "-p")
        {
            Description = "list the blocks that this peer wants from this node",
            HelpName = "PEER",
        };
        command.Options.Add(peer);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ApiClient client = global.Client(parsed);
            var query = parsed.GetValue(peer) is { } of ? GlobalOptions.Query(("peer", of)) : [];
            global.Print(parsed, await client.CallAsync("bitswap/wantlist", query, cancellationToken), PrintKeys);
            return 0;
        });
        return command;
    }

    private static void PrintPairs(JsonNode document)
    {
        foreach ((string name, JsonNode? value) in document.AsObject())
        {
            string? text = value is JsonArray list ? list.Count.ToString(CultureInfo.InvariantCulture) : value?.ToString();
            Terminal.Line($"{name,-18} {text}");
        }
    }

    private static void PrintKeys(JsonNode document)
    {
        foreach (JsonNode? key in document["Keys"]!.AsArray())
        {
            Terminal.Line(key!["/"]!.GetValue<string>());
        }
    }
}
