using System.CommandLine;
using System.Text.Json.Nodes;

namespace Ipcs.CommandLine;

/// <summary><c>repo stat|gc|verify</c>, and what is done with a store that no daemon has open.</summary>
internal static class RepoCommands
{
    /// <summary>Builds the commands.</summary>
    public static Command Build(GlobalOptions global, IEnumerable<Command> offline) =>
        NodeCommands.Group("repo", "the block store", [Stat(global), Gc(global), Verify(global), .. offline]);

    private static Command Stat(GlobalOptions global)
    {
        var command = new Command("stat", "print its size and limits");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ApiClient client = global.Client(parsed);
            global.Print(parsed, await client.CallAsync("repo/stat", [], cancellationToken), answer =>
            {
                foreach ((string key, JsonNode? value) in answer.AsObject())
                {
                    Terminal.Line($"{key + ":",-12} {value}");
                }
            });
            return 0;
        });
        return command;
    }

    private static Command Gc(GlobalOptions global)
    {
        var command = new Command("gc", "remove every block that no content, pin or running operation needs");
        var quiet = new Option<bool>("-q", "--quiet") { Description = "print only the CIDs" };
        var silent = new Option<bool>("--silent") { Description = "print nothing" };
        command.Options.Add(quiet);
        command.Options.Add(silent);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ApiClient client = global.Client(parsed);
            string prefix = parsed.GetValue(quiet) ? "" : "removed ";
            var query = GlobalOptions.Query(("silent", parsed.GetValue(silent) ? "true" : null));
            await foreach (JsonNode line in client.LinesAsync("repo/gc", query, body: null, cancellationToken))
            {
                global.Print(parsed, line, l => Terminal.Line($"{prefix}{l["Key"]!["/"]}"));
            }

            return 0;
        });
        return command;
    }

    private static Command Verify(GlobalOptions global)
    {
        var command = new Command("verify", "check the hash of every block, and that every content and pin is complete");
        var repair = new Option<bool>("--repair") { Description = "delete damaged blocks, and fetch from the fleet what is missing" };
        command.Options.Add(repair);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ApiClient client = global.Client(parsed);
            var query = GlobalOptions.Query(("repair", parsed.GetValue(repair) ? "true" : null));
            await foreach (JsonNode line in client.LinesAsync("repo/verify", query, body: null, cancellationToken))
            {
                global.Print(parsed, line, Show);
            }

            return 0;
        });
        return command;
    }

    private static void Show(JsonNode line)
    {
        if (line["Msg"]!.GetValue<string>() is { Length: > 0 } message)
        {
            Terminal.Line(message);
        }
        else
        {
            Terminal.Progress($"{line["Progress"]} blocks checked");
        }
    }
}
