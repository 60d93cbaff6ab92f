using System.CommandLine;
using System.Text.Json.Nodes;

namespace Ipcs.CommandLine;

/// <summary><c>pin add|rm|ls</c>.</summary>
internal static class PinCommands
{
    /// <summary>Builds the commands.</summary>
    public static Command Build(GlobalOptions global) =>
        NodeCommands.Group("pin", "DAGs that are protected from garbage collection", Add(global), Remove(global), List(global));

    private static Command Add(GlobalOptions global)
    {
        var command = new Command("add", "pin DAGs, and fetch their missing blocks");
        Argument<string[]> cids = Cids(ArgumentArity.OneOrMore);
        Option<bool> recursive = Recursive("pin all blocks below the root too");
        var name = new Option<string?>("-n", "--name") { Description = "a name for the pin", HelpName = "NAME" };
        command.Arguments.Add(cids);
        command.Options.Add(recursive);
        command.Options.Add(name);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ApiClient client = global.Client(parsed);
            bool progress = Terminal.ShowsProgress && !parsed.GetValue(global.Json);
            var query = Query(parsed, cids, recursive)
                .Concat(GlobalOptions.Query(("name", parsed.GetValue(name)), ("progress", progress ? "true" : null)));
            string kind = parsed.GetValue(recursive) ? "recursively" : "directly";
            await foreach (JsonNode line in client.LinesAsync("pin/add", query, body: null, cancellationToken))
            {
                global.Print(parsed, line, answer => Print(answer, root => $"pinned {root} {kind}"));
            }

            return 0;
        });
        return command;
    }

    private static Command Remove(GlobalOptions global)
    {
        var command = new Command("rm", "unpin DAGs");
        Argument<string[]> cids = Cids(ArgumentArity.OneOrMore);
        Option<bool> recursive = Recursive("remove recursive pins too");
        command.Arguments.Add(cids);
        command.Options.Add(recursive);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ApiClient client = global.Client(parsed);
            JsonNode answer = await client.CallAsync("pin/rm", Query(parsed, cids, recursive), cancellationToken);
            global.Print(parsed, answer, a => Print(a, root => $"unpinned {root}"));
            return 0;
        });
        return command;
    }

    private static Command List(GlobalOptions global)
    {
        var command = new Command("ls", "list the pins, or how the given CIDs are pinned");
        Argument<string[]> cids = Cids(ArgumentArity.ZeroOrMore);
        Option<string?> type = OptionValues.OneOf(
            "--type", "-t", "direct, indirect, recursive or all", "TYPE", "all", "all", "direct", "indirect", "recursive");
        var quiet = new Option<bool>("-q", "--quiet") { Description = "print only the CIDs" };
        command.Arguments.Add(cids);
        command.Options.Add(type);
        command.Options.Add(quiet);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ApiClient client = global.Client(parsed);
            var query = Args(parsed, cids).Concat(GlobalOptions.Query(("type", parsed.GetValue(type))));
            if (parsed.GetValue(global.Json))
            {
                global.Print(parsed, await client.CallAsync("pin/ls", query, cancellationToken), _ => { });
                return 0;
            }

            query = query.Append(KeyValuePair.Create("stream", "true"));
            await foreach (JsonNode line in client.LinesAsync("pin/ls", query, body: null, cancellationToken))
            {
                string cid = line["Cid"]!.GetValue<string>();
                Terminal.Line(parsed.GetValue(quiet) ? cid : $"{cid} {line["Type"]} {line["Name"]}".TrimEnd());
            }

            return 0;
        });
        return command;
    }

    private static Argument<string[]> Cids(ArgumentArity arity) => new("CID") { Arity = arity };

    private static Option<bool> Recursive(string help) => new("-r", "--recursive") { Description = help, DefaultValueFactory = _ => true };

    private static IEnumerable<KeyValuePair<string, string>> Args(ParseResult parsed, Argument<string[]> cids) =>
        (parsed.GetValue(cids) ?? []).Select(cid => KeyValuePair.Create("arg", cid));

    private static IEnumerable<KeyValuePair<string, string>> Query(ParseResult parsed, Argument<string[]> cids, Option<bool> recursive) =>
        Args(parsed, cids).Concat(GlobalOptions.Query(("recursive", parsed.GetValue(recursive) ? "true" : "false")));

    private static void Print(JsonNode answer, Func<string, string> line)
    {
        if (answer["Progress"] is { } blocks)
        {
            Terminal.Progress($"{blocks} blocks");
            return;
        }

        Terminal.ClearProgress();
        foreach (JsonNode? root in answer["Pins"]!.AsArray())
        {
            Terminal.Line(line(root!.GetValue<string>()));
        }
    }
}
