using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Ipcs.CommandLine;

/// <summary><c>add</c>, <c>cat</c>, <c>get</c> and <c>ls</c>.</summary>
internal static class FileCommands
{
    /// <summary>Builds the commands.</summary>
    public static IEnumerable<Command> Build(GlobalOptions global)
    {
        yield return AddCommand.Build(global);
        yield return Cat(global);
        yield return Get(global);
        yield return List(global);
    }

    private static Command Cat(GlobalOptions global)
    {
        var command = new Command("cat", "write a file to standard output, from the store or the fleet");
        var path = new Argument<string>("CID|CID/PATH|sha256:DIGEST");
        Option<long?> offset = OptionValues.Number("--offset", alias: null, "offset of the first byte", "N", min: 0);
        Option<long?> length = OptionValues.Number("--length", alias: null, "the most bytes to write", "N", min: 0);
        command.Arguments.Add(path);
        command.Options.Add(offset);
        command.Options.Add(length);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var query = GlobalOptions.Query(
                ("arg", parsed.GetRequiredValue(path)),
                ("offset", parsed.GetValue(offset)?.ToString(CultureInfo.InvariantCulture)),
                ("length", parsed.GetValue(length)?.ToString(CultureInfo.InvariantCulture)));
            using ApiClient client = global.Client(parsed);
            await client.CopyAsync("cat", query, new StandardOutput(), global.Settings.Time, cancellationToken);
            return 0;
        });
        return command;
    }

    private static Command Get(GlobalOptions global)
    {
        var command = new Command("get", "write a file or directory to the file system");
        var path = new Argument<string>("CID|CID/PATH|sha256:DIGEST");
        var output = new Option<string?>("-o", "--output")
        {
            Description = "where to write it (default: the last name of the path, or the CID)",
            HelpName = "PATH",
        };
        command.Arguments.Add(path);
        command.Options.Add(output);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string source = parsed.GetRequiredValue(path);
            string name = source.TrimEnd('/').Split('/')[^1];
            if (name.Length == 0)
            {
                throw new UsageException($"'{source}' names no file or directory");
            }

            string target = Path.GetFullPath(parsed.GetValue(output) is { Length: > 0 } given ? given : name);
            using ApiClient client = global.Client(parsed);
            long bytes = 0;
            var extractor = new TarExtractor(target, global.Settings.Time);
            await client.ReadAsync(
                "get",
                GlobalOptions.Query(("arg", source)),
                async tar => bytes = await extractor.ExtractAsync(tar, name, cancellationToken),
                cancellationToken);
            global.Print(
                parsed,
                new JsonObject { ["Path"] = target, ["Bytes"] = bytes },
                _ => Terminal.Line($"saved {source} to {target}"));
            return 0;
        });
        return command;
    }

    private static Command List(GlobalOptions global)
    {
        var command = new Command("ls", "list a directory: CID, size and name of each entry");
        var path = new Argument<string>("CID|CID/PATH");
        command.Arguments.Add(path);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ApiClient client = global.Client(parsed);
            if (parsed.GetValue(global.Json))
            {
                var query = GlobalOptions.Query(("arg", parsed.GetRequiredValue(path)));
                JsonNode document = await client.CallAsync("ls", query, cancellationToken);
                Terminal.Json(document);
                return 0;
            }

            await foreach (JsonNode line in client.LinesAsync(
                "ls", GlobalOptions.Query(("arg", parsed.GetRequiredValue(path)), ("stream", "true")), body: null, cancellationToken))
            {
                JsonNode link = line["Objects"]![0]!["Links"]![0]!;
                Print(link);
            }

            return 0;
        });
        return command;
    }

    private static void Print(JsonNode link)
    {
        const int Directory = 1;
        bool isDirectory = link["Type"]!.GetValue<int>() == Directory;
        string target = link["Target"]?.ToString() is { Length: > 0 } to ? $" -> {to}" : "";
        Terminal.Line($"{link["Hash"]} {(isDirectory ? "-" : link["Size"])} {link["Name"]}{(isDirectory ? "/" : "")}{target}");
    }
}
