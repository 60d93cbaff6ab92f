using System.CommandLine;
using System.Text.Json.Nodes;

namespace Ipcs.CommandLine;

/// <summary><c>id</c>, <c>version</c> and <c>content ls|info|resolve</c>, and the groups of commands about the node.</summary>
public static class NodeCommands
{
    /// <summary>Builds the commands.</summary>
    public static IEnumerable<Command> Build(GlobalOptions global, IEnumerable<Command> repo)
    {
        yield return Simple(global, "id", "print this node's peer id, addresses and protocols", "id", PrintId);
        var version = new Command("version", "print the version of this program; with --json those of its parts too");
        version.SetAction(parsed =>
        {
            if (parsed.GetValue(global.Json))
            {
                Terminal.Json(new JsonObject
                {
                    ["Version"] = global.Settings.Version,
                    ["Components"] = global.Settings.Components(),
                });
            }
            else
            {
                Terminal.Line($"ipcs version {global.Settings.Version}");
            }
        });
        yield return version;
        yield return BitswapCommands.Build(global);
        yield return RoutingCommands.Build(global);
        yield return RepoCommands.Build(global, repo);
        yield return PinCommands.Build(global);
        yield return Group("content", "the contents that containerd owns, and their providers in the fleet", [
            ContentList(global),
            WithArg(global, "info", "print the index entry of a digest", "ipcs/content/info", "DIGEST", PrintPairs),
            WithArg(global, "resolve", "list the peers that have a digest", "ipcs/content/resolve", "DIGEST", PrintProviders)]);
    }

    /// <summary>A command that has only subcommands.</summary>
    public static Command Group(string name, string help, params ReadOnlySpan<Command> commands)
    {
        var group = new Command(name, help);
        foreach (Command command in commands)
        {
            group.Subcommands.Add(command);
        }

        return group;
    }

    /// <summary>A command with one argument, whose response is one document.</summary>
    public static Command WithArg(GlobalOptions global, string name, string help, string path, string argument, Action<JsonNode> text)
    {
        var command = new Command(name, help);
        var arg = new Argument<string>(argument);
        command.Arguments.Add(arg);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ApiClient client = global.Client(parsed);
            var query = GlobalOptions.Query(("arg", parsed.GetRequiredValue(arg)));
            global.Print(parsed, await client.CallAsync(path, query, cancellationToken), text);
            return 0;
        });
        return command;
    }

    /// <summary>A command without arguments, whose response is one document.</summary>
    public static Command Simple(GlobalOptions global, string name, string help, string path, Action<JsonNode> text)
    {
        var command = new Command(name, help);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ApiClient client = global.Client(parsed);
            global.Print(parsed, await client.CallAsync(path, [], cancellationToken), text);
            return 0;
        });
        return command;
    }

    private static Command ContentList(GlobalOptions global)
    {
        var command = new Command("ls", "list the contents that containerd owns");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ApiClient client = global.Client(parsed);
            await foreach (JsonNode line in client.LinesAsync("ipcs/content/ls", [], body: null, cancellationToken))
            {
                global.Print(parsed, line, l => Terminal.Line(
                    $"{l["digest"]}\t{l["size"]}\t{l["kind"]}\t{l["root"]}\t{State(l)}"));
            }

            return 0;
        });
        return command;
    }

    private static void PrintId(JsonNode id)
    {
        Terminal.Line($"peer      {id["ID"]}");
        Terminal.Line($"agent     {id["AgentVersion"]}");
        foreach (JsonNode? address in id["Addresses"]!.AsArray())
        {
            Terminal.Line($"address   {address}");
        }

        foreach (JsonNode? protocol in id["Protocols"]!.AsArray())
        {
            Terminal.Line($"protocol  {protocol}");
        }

        if (id["OpenToAnyHost"]?.GetValue<bool>() == true)
        {
            Terminal.Error(
                "any host that can connect learns what is pulled and can read every content by its digest: "
                + "see `ipcs init --swarm-key new`");
        }
    }

    private static void PrintPairs(JsonNode answer)
    {
        foreach ((string key, JsonNode? value) in answer.AsObject())
        {
            Terminal.Line($"{key + ":",-12} {value}");
        }
    }

    private static void PrintProviders(JsonNode answer)
    {
        foreach (JsonNode? p in answer["providers"]!.AsArray())
        {
            Terminal.Line($"{p!["peer"]}\t{p["kind"]}\t{p["root"]}\t{p["size"]}\t{State(p)}");
        }
    }

    private static string State(JsonNode content) => content["complete"]!.GetValue<bool>() ? "complete" : "arriving";
}
