using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Ipcs.Node.CommandLine;

/// <summary><c>add</c>, <c>cat</c>, <c>block …</c>.</summary>
internal static class FileCommands
{
    /// <summary>The commands.</summary>
    public static IEnumerable<Command> Build(GlobalOptions global)
    {
        yield return Add(global);
        yield return Cat(global);
        yield return NodeCommands.Group("block", "single blocks", [
            Get(global),
            Put(global),
            NodeCommands.WithArg(global, "stat", "a block's length", "block/stat", "CID", s => Console.Out.WriteLine($"Key: {s["Key"]}\nSize: {s["Size"]}"))]);
    }

    private static Command Add(GlobalOptions global)
    {
        var command = new Command("add", "add a file (or - for standard input) and print its CID");
        var file = new Argument<string>("FILE");
        var quiet = new Option<bool>("-Q", "--quieter") { Description = "print the CID alone" };
        var version = new Option<int>("--cid-version") { Description = "0 or 1", HelpName = "N" };
        var raw = new Option<bool?>("--raw-leaves") { Description = "leaves are raw blocks (the default with version 1)" };
        var chunker = new Option<string>("--chunker") { Description = "size-N", HelpName = "CHUNKER", DefaultValueFactory = _ => "size-262144" };
        var pin = new Option<bool>("--pin") { Description = "keep it from GC", DefaultValueFactory = _ => true };
        command.Arguments.Add(file);
        foreach (Option option in (Option[])[quiet, version, raw, chunker, pin])
        {
            command.Options.Add(option);
        }

        command.SetAction(async (parsed, cancellationToken) =>
        {
            string path = parsed.GetRequiredValue(file);
            if (Directory.Exists(path))
            {
                throw new CommandException($"{path} is a folder; only files can be added");
            }

            await using Stream input = path == "-" ? Console.OpenStandardInput() : File.OpenRead(path);
            using MultipartFormDataContent body = FilePart(input, path == "-" ? "" : Path.GetFileName(path));
            var query = GlobalOptions.Query(
                ("cid-version", parsed.GetValue(version).ToString(CultureInfo.InvariantCulture)),
                ("raw-leaves", parsed.GetValue(raw) is { } r ? r ? "true" : "false" : null),
                ("chunker", parsed.GetValue(chunker)),
                ("pin", parsed.GetValue(pin) ? "true" : "false"));
            using ApiClient client = global.Client(parsed);
            await foreach (JsonNode line in client.LinesAsync("add", query, body, cancellationToken))
            {
                global.Print(parsed, line, l => Console.Out.WriteLine(parsed.GetValue(quiet) ? $"{l["Hash"]}" : $"added {l["Hash"]} {l["Name"]}"));
            }

            return 0;
        });
        return command;
    }

    private static Command Cat(GlobalOptions global)
    {
        var command = new Command("cat", "write a file to standard output, from here or from the fleet");
        var cid = new Argument<string>("CID|sha256:DIGEST");
        var offset = new Option<long?>("--offset") { Description = "first byte", HelpName = "N" };
        var length = new Option<long?>("--length") { Description = "how many bytes", HelpName = "N" };
        command.Arguments.Add(cid);
        command.Options.Add(offset);
        command.Options.Add(length);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var query = GlobalOptions.Query(
                ("arg", parsed.GetRequiredValue(cid)),
                ("offset", parsed.GetValue(offset)?.ToString(CultureInfo.InvariantCulture)),
                ("length", parsed.GetValue(length)?.ToString(CultureInfo.InvariantCulture)));
            await CopyAsync(global, parsed, "cat", query, cancellationToken);
            return 0;
        });
        return command;
    }

    private static Command Get(GlobalOptions global)
    {
        var command = new Command("get", "write a block to standard output");
        var cid = new Argument<string>("CID");
        command.Arguments.Add(cid);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await CopyAsync(global, parsed, "block/get", GlobalOptions.Query(("arg", parsed.GetRequiredValue(cid))), cancellationToken);
            return 0;
        });
        return command;
    }

    private static Command Put(GlobalOptions global)
    {
        var command = new Command("put", "store a block from a file (or - for standard input)");
        var file = new Argument<string>("FILE");
        var codec = new Option<string>("--cid-codec") { Description = "raw or dag-pb", HelpName = "CODEC", DefaultValueFactory = _ => "raw" };
        command.Arguments.Add(file);
        command.Options.Add(codec);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string path = parsed.GetRequiredValue(file);
            await using Stream input = path == "-" ? Console.OpenStandardInput() : File.OpenRead(path);
            using MultipartFormDataContent body = FilePart(input, "block");
            using ApiClient client = global.Client(parsed);
            global.Print(
                parsed,
                await client.CallAsync("block/put", GlobalOptions.Query(("cid-codec", parsed.GetValue(codec))), cancellationToken, body),
                s => Console.Out.WriteLine(s["Key"]!.ToString()));
            return 0;
        });
        return command;
    }

    private static async Task CopyAsync(
        GlobalOptions global, ParseResult parsed, string path, IEnumerable<KeyValuePair<string, string>> query, CancellationToken cancellationToken)
    {
        using ApiClient client = global.Client(parsed);
        await using Stream output = Console.OpenStandardOutput();
        await client.CopyAsync(path, query, output, cancellationToken);
    }

    private static MultipartFormDataContent FilePart(Stream input, string name)
    {
        var part = new StreamContent(input, 1 << 18);
        part.Headers.TryAddWithoutValidation("Content-Type", "application/octet-stream");
        return new MultipartFormDataContent { { part, "file", Uri.EscapeDataString(name.Length > 0 ? name : "-") } };
    }
}
