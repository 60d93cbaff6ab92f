using System.CommandLine;
using System.Text.Json.Nodes;

namespace Ipcs.CommandLine;

/// <summary><c>ipcs add</c>.</summary>
internal static class AddCommand
{
    /// <summary>Builds the command.</summary>
    public static Command Build(GlobalOptions global)
    {
        var command = new Command("add", "add a file, a directory tree or standard input (-), and print the CIDs");
        var source = new Argument<string>("FILE|DIR|-");
        var quiet = new Option<bool>("-Q", "--quieter") { Description = "print only the CID of the last root" };
        Option<string?> version = OptionValues.OneOf("--cid-version", null, "0 (the default) or 1", "N", null, "0", "1");
        var raw = new Option<bool?>("--raw-leaves") { Description = "leaves are raw blocks (the default with version 1)" };
        var chunker = new Option<string?>("--chunker")
        {
            Description = "how files are split into chunks: size-N (default size-262144), rabin-MIN-AVG-MAX, buzhash or tar",
            HelpName = "CHUNKER",
        };
        var trickle = new Option<bool>("--trickle") { Description = "use the trickle layout, for reading from the start" };
        var wrap = new Option<bool>("-w", "--wrap-with-directory") { Description = "wrap it in a directory, which preserves its name" };
        var hidden = new Option<bool>("-H", "--hidden") { Description = "include files whose names start with a dot" };
        var pin = new Option<bool>("--pin") { Description = "pin it (the default)", DefaultValueFactory = _ => true };
        chunker.Validators.Add(v =>
        {
            if (v.Tokens is [var token] && !Dag.Chunking.ChunkerSpec.TryParse(token.Value, out _, out string? problem))
            {
                v.AddError($"--chunker: {problem}");
            }
        });
        command.Arguments.Add(source);
        foreach (Option option in (Option[])[quiet, version, raw, chunker, trickle, wrap, hidden, pin])
        {
            command.Options.Add(option);
        }

        command.SetAction(async (parsed, cancellationToken) =>
        {
            IReadOnlyList<UploadEntry> entries = UploadEntry.Find(parsed.GetRequiredValue(source), parsed.GetValue(hidden));
            var query = GlobalOptions.Query(
                ("cid-version", parsed.GetValue(version)),
                ("raw-leaves", parsed.GetValue(raw) is { } r ? GlobalOptions.Text(r) : null),
                ("chunker", parsed.GetValue(chunker)),
                ("trickle", GlobalOptions.Text(parsed.GetValue(trickle))),
                ("wrap-with-directory", GlobalOptions.Text(parsed.GetValue(wrap))),
                ("pin", GlobalOptions.Text(parsed.GetValue(pin))));
            using ApiClient client = global.Client(parsed);
            using var passed = PassedFiles.Open(entries);
            JsonNode? root;
            try
            {
                root = await AddAsync(passed.IsEmpty ? null : passed);
            }
            catch (UnsupportedCommandException) when (!passed.IsEmpty)
            {
                // The daemon refused before it read the body: it is older, or can't duplicate this process's descriptors.
                root = await AddAsync(passed: null);
            }

            if (parsed.GetValue(quiet) && root is not null)
            {
                global.Print(parsed, root, l => Terminal.Line($"{l["Hash"]}"));
            }

            return 0;

            async Task<JsonNode?> AddAsync(PassedFiles? passed)
            {
                using var body = new UploadContent(entries, global.Settings.Time, passed);
                JsonNode? last = null;
                string path = passed is null ? "add" : "ipcs/add";
                var descriptor = GlobalOptions.Query(("descriptor", passed?.FirstNumber));
                await foreach (JsonNode line in client.LinesAsync(path, query.Concat(descriptor), body, cancellationToken))
                {
                    last = line;
                    if (!parsed.GetValue(quiet))
                    {
                        global.Print(parsed, line, l => Terminal.Line($"added {l["Hash"]} {l["Name"]}"));
                    }
                }

                return last;
            }
        });
        return command;
    }
}
