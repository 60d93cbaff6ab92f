using System.CommandLine;
using System.Text.Json.Nodes;

namespace Ipcs.CommandLine;

/// <summary><c>bitswap stat|ledger|wantlist</c>.</summary>
internal static class BitswapCommands
{
    /// <summary>The command and those below it.</summary>
    public static Command Build(GlobalOptions global) => NodeCommands.Group("bitswap", "what is exchanged with peers", [
        Stat(global),
        NodeCommands.WithArg(global, "ledger", "what has gone to and come from a peer", "bitswap/ledger", "PEER", PrintPairs),
        Wantlist(global)]);

    private static Command Stat(GlobalOptions global)
    {
        var command = new Command("stat", "blocks and bytes so far, what is wanted, and who is connected");
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
        var command = new Command("wantlist", "the blocks that are wanted now");
        var peer = new Option<string>("--peer", "-p") { Description = "of that peer, instead of this node's own", HelpName = "PEER" };
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
            // Of a list, how many.
            Console.Out.WriteLine($"{name,-18} {(value is JsonArray list ? list.Count.ToString(System.Globalization.CultureInfo.InvariantCulture) : value?.ToString())}");
        }
    }

    private static void PrintKeys(JsonNode document)
    {
        foreach (JsonNode? key in document["Keys"]!.AsArray())
        {
            Console.Out.WriteLine(key!["/"]!.GetValue<string>());
        }
    }
}
