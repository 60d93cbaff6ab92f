using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Ipcs.CommandLine;

/// <summary><c>ipcs add</c>.</summary>
internal static class AddCommand
{
    /// <summary>The command.</summary>
    public static Command Build(GlobalOptions global)
    {
        var command = new Command("add", "add a file, a folder with all that is in it, or standard input (-), and print the CIDs");
        var path = new Argument<string>("FILE|DIR|-");
        var quiet = new Option<bool>("-Q", "--quieter") { Description = "print the CID of the whole alone" };
        var version = new Option<int?>("--cid-version") { Description = "0 (the default) or 1", HelpName = "N" };
        var raw = new Option<bool?>("--raw-leaves") { Description = "leaves are raw blocks (the default with version 1)" };
        var chunker = new Option<string?>("--chunker") { Description = "how files are cut: size-N (the default is size-262144), rabin-MIN-AVG-MAX, buzhash or tar", HelpName = "CHUNKER" };
        var trickle = new Option<bool>("--trickle") { Description = "arrange blocks for reading from the start" };
        var wrap = new Option<bool>("-w", "--wrap-with-directory") { Description = "put it into a folder, so that its name is kept" };
        var hidden = new Option<bool>("-H", "--hidden") { Description = "take files in the folder along whose names begin with a dot" };
        var pin = new Option<bool>("--pin") { Description = "keep it from GC (the default)", DefaultValueFactory = _ => true };
        version.Validators.Add(v =>
        {
            if (v.Tokens is [{ Value: not ("0" or "1") }])
            {
                v.AddError($"--cid-version takes 0 or 1, not '{v.Tokens[0].Value}'");
            }
        });
        chunker.Validators.Add(v =>
        {
            if (v.Tokens is [var token] && !Dag.Chunking.ChunkerSpec.TryParse(token.Value, out _, out string? problem))
            {
                v.AddError($"--chunker: {problem}");
            }
        });
        command.Arguments.Add(path);
        foreach (Option option in (Option[])[quiet, version, raw, chunker, trickle, wrap, hidden, pin])
        {
            command.Options.Add(option);
        }

        command.SetAction(async (parsed, cancellationToken) =>
        {
            IReadOnlyList<UploadEntry> entries = UploadEntry.Find(parsed.GetRequiredValue(path), parsed.GetValue(hidden));
            var query = GlobalOptions.Query(
                ("cid-version", parsed.GetValue(version)?.ToString(CultureInfo.InvariantCulture)),
                ("raw-leaves", parsed.GetValue(raw) is { } r ? GlobalOptions.Text(r) : null),
                ("chunker", parsed.GetValue(chunker)),
                ("trickle", GlobalOptions.Text(parsed.GetValue(trickle))),
                ("wrap-with-directory", GlobalOptions.Text(parsed.GetValue(wrap))),
                ("pin", GlobalOptions.Text(parsed.GetValue(pin))));
            using ApiClient client = global.Client(parsed);
            using var passed = PassedFiles.Open(entries);
            JsonNode? whole;
            try
            {
                whole = await AddAsync(passed.IsEmpty ? null : passed);
            }
            catch (UnsupportedCommandException) when (!passed.IsEmpty)
            {
                // Told before anything was read: the daemon is older, or can't get at what we have open.
                whole = await AddAsync(passed: null);
            }

            if (parsed.GetValue(quiet) && whole is not null)
            {
                global.Print(parsed, whole, l => Console.Out.WriteLine($"{l["Hash"]}"));
            }

            return 0;

            async Task<JsonNode?> AddAsync(PassedFiles? passed)
            {
                using var body = new UploadContent(entries, passed);
                JsonNode? last = null;
                IAsyncEnumerable<JsonNode> lines = passed is null
                    ? client.LinesAsync("add", query, body, cancellationToken)
                    : client.LinesAsync("ipcs/add", query.Concat(GlobalOptions.Query(("descriptor", passed.One))), body, cancellationToken);
                await foreach (JsonNode line in lines)
                {
                    last = line;
                    if (!parsed.GetValue(quiet))
                    {
                        global.Print(parsed, line, l => Console.Out.WriteLine($"added {l["Hash"]} {l["Name"]}"));
                    }
                }

                return last;
            }
        });
        return command;
    }
}
