using System.CommandLine;
using System.Text.Json.Nodes;

namespace Ipcs.CommandLine;

/// <summary><c>block get|put|stat|rm</c>, <c>dag stat|export|import</c> and <c>refs</c>.</summary>
internal static class BlockCommands
{
    /// <summary>Builds the commands.</summary>
    public static IEnumerable<Command> Build(GlobalOptions global)
    {
        yield return NodeCommands.Group("block", "single blocks", [
            Bytes(global, "get", "write a block to standard output", "block/get", "CID"),
            Put(global),
            NodeCommands.WithArg(global, "stat", "print a block's length", "block/stat", "CID", PrintBlock),
            Remove(global)]);
        yield return NodeCommands.Group("dag", "whole DAGs", [
            NodeCommands.WithArg(global, "stat", "count the blocks and bytes of a DAG", "dag/stat", "CID", PrintStat),
            Bytes(global, "export", "write a DAG to standard output as a CAR", "dag/export", "CID"),
            Import(global)]);
        yield return Refs(global);
    }

    private static Command Bytes(GlobalOptions global, string name, string help, string path, string argument)
    {
        var command = new Command(name, help);
        var cid = new Argument<string>(argument);
        command.Arguments.Add(cid);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ApiClient client = global.Client(parsed);
            var query = GlobalOptions.Query(("arg", parsed.GetRequiredValue(cid)));
            await client.CopyAsync(path, query, new StandardOutput(), global.Settings.Time, cancellationToken);
            return 0;
        });
        return command;
    }

    private static Command Put(GlobalOptions global)
    {
        var command = new Command("put", "store a block from a file (or - for standard input) and print its CID");
        var file = new Argument<string>("FILE|-");
        Option<string?> codec = OptionValues.OneOf("--cid-codec", null, "raw or dag-pb", "CODEC", "raw", "raw", "dag-pb");
        Option<string?> hash = OptionValues.OneOf(
            "--mhtype", null, "sha2-256, sha2-384 or sha2-512", "HASH", "sha2-256", "sha2-256", "sha2-384", "sha2-512");
        var pin = new Option<bool>("--pin") { Description = "pin it" };
        command.Arguments.Add(file);
        foreach (Option option in (Option[])[codec, hash, pin])
        {
            command.Options.Add(option);
        }

        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var body = UploadContent.OfFile(parsed.GetRequiredValue(file), global.Settings.Time);
            var query = GlobalOptions.Query(
                ("cid-codec", parsed.GetValue(codec)),
                ("mhtype", parsed.GetValue(hash)),
                ("pin", GlobalOptions.Text(parsed.GetValue(pin))));
            using ApiClient client = global.Client(parsed);
            JsonNode stored = await client.CallAsync("block/put", query, cancellationToken, body);
            global.Print(parsed, stored, s => Terminal.Line(s["Key"]!.ToString()));
            return 0;
        });
        return command;
    }

    private static Command Remove(GlobalOptions global)
    {
        var command = new Command("rm", "remove blocks that no pin and no content needs");
        var cids = new Argument<string[]>("CID") { Arity = ArgumentArity.OneOrMore };
        var force = new Option<bool>("-f", "--force") { Description = "ignore blocks that are not in the store" };
        command.Arguments.Add(cids);
        command.Options.Add(force);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var query = parsed.GetRequiredValue(cids)
                .Select(c => KeyValuePair.Create("arg", c))
                .Append(KeyValuePair.Create("force", GlobalOptions.Text(parsed.GetValue(force))));
            using ApiClient client = global.Client(parsed);
            string? problem = null;
            int failed = 0;
            await foreach (JsonNode line in client.LinesAsync("block/rm", query, body: null, cancellationToken))
            {
                if (line["Error"] is { } error)
                {
                    problem = error.ToString();
                    failed++;
                }

                global.Print(parsed, line, l =>
                {
                    if (l["Error"] is null)
                    {
                        Terminal.Line($"removed {l["Hash"]}");
                    }
                });
            }

            return failed switch
            {
                0 => 0,
                1 => throw new CommandException(problem!),
                _ => throw new CommandException($"{failed} blocks could not be removed; the last: {problem}"),
            };
        });
        return command;
    }

    private static Command Import(GlobalOptions global)
    {
        var command = new Command("import", "store the blocks of a CAR (or - for standard input) and pin its roots");
        var file = new Argument<string>("FILE|-");
        var pin = new Option<bool>("--pin-roots") { Description = "pin the roots (the default)", DefaultValueFactory = _ => true };
        var stats = new Option<bool>("--stats") { Description = "print the number of blocks and bytes" };
        command.Arguments.Add(file);
        command.Options.Add(pin);
        command.Options.Add(stats);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var body = UploadContent.OfFile(parsed.GetRequiredValue(file), global.Settings.Time);
            var query = GlobalOptions.Query(
                ("pin-roots", GlobalOptions.Text(parsed.GetValue(pin))),
                ("stats", GlobalOptions.Text(parsed.GetValue(stats))));
            using ApiClient client = global.Client(parsed);
            await foreach (JsonNode line in client.LinesAsync("dag/import", query, body, cancellationToken))
            {
                global.Print(parsed, line, PrintImport);
            }

            return 0;
        });
        return command;
    }

    private static Command Refs(GlobalOptions global)
    {
        var command = new Command("refs", "list the links of a block");
        var cid = new Argument<string>("CID");
        var recursive = new Option<bool>("-r", "--recursive") { Description = "and those of all blocks below it" };
        var unique = new Option<bool>("-u", "--unique") { Description = "list each link once" };
        command.Arguments.Add(cid);
        command.Options.Add(recursive);
        command.Options.Add(unique);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var query = GlobalOptions.Query(
                ("arg", parsed.GetRequiredValue(cid)),
                ("recursive", GlobalOptions.Text(parsed.GetValue(recursive))),
                ("unique", GlobalOptions.Text(parsed.GetValue(unique))));
            using ApiClient client = global.Client(parsed);
            await foreach (JsonNode line in client.LinesAsync("refs", query, body: null, cancellationToken))
            {
                global.Print(parsed, line, l => Terminal.Line(l["Ref"]!.ToString()));
            }

            return 0;
        });
        return command;
    }

    private static void PrintBlock(JsonNode stat)
    {
        Terminal.Line($"Key: {stat["Key"]}");
        Terminal.Line($"Size: {stat["Size"]}");
    }

    private static void PrintStat(JsonNode stat)
    {
        Terminal.Line($"Size: {stat["TotalSize"]}");
        Terminal.Line($"NumBlocks: {stat["UniqueBlocks"]}");
    }

    private static void PrintImport(JsonNode line)
    {
        if (line["Root"] is { } root)
        {
            string result = root["PinErrorMsg"]!.ToString() is { Length: > 0 } problem ? $"FAILED: {problem}" : "success";
            Terminal.Line($"Pinned root\t{root["Cid"]!["/"]}\t{result}");
        }
        else if (line["Stats"] is { } stats)
        {
            Terminal.Line($"Imported {stats["BlockCount"]} blocks ({stats["BlockBytesCount"]} bytes)");
        }
    }
}
