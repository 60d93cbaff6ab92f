using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Ipcs.CommandLine.Plot;

namespace Ipcs.CommandLine;

/// <summary><c>compare</c>.</summary>
internal static class CompareCommand
{
    /// <summary>Builds the command.</summary>
    public static Command Build(GlobalOptions global)
    {
        var command = new Command("compare", "show which blocks images share, for one chunker or several");
        var images = new Argument<string[]>("SRC")
        {
            Description = "two or more images, written as for convert",
            Arity = new ArgumentArity(2, 64),
        };
        var chunkers = new Option<string[]>("--chunker")
        {
            Description = "how contents are split into chunks (repeatable; default size-262144)",
            HelpName = "CHUNKER",
        };
        var plot = new Option<string?>("--plot") { Description = "draw the result into this PNG file", HelpName = "FILE" };
        var containerdNamespace = ImageCommands.Namespace();
        var all = new Option<bool>("--all-platforms") { Description = "compare every platform of an index" };
        var plain = new Option<bool>("--plain-http") { Description = "use HTTP for the registries (implied for localhost)" };
        Option<long?> maxLayer = ImageCommands.MaxLayerSize();
        command.Arguments.Add(images);
        foreach (Option option in (Option[])[chunkers, plot, containerdNamespace, all, plain, maxLayer])
        {
            command.Options.Add(option);
        }

        command.SetAction(async (parsed, cancellationToken) =>
        {
            string[] sources = parsed.GetRequiredValue(images);
            var query = sources.Select(s => KeyValuePair.Create("arg", Logins.Absolute(s)))
                .Concat((parsed.GetValue(chunkers) ?? []).Select(c => KeyValuePair.Create("chunker", c)))
                .Concat(GlobalOptions.Query(
                    ("namespace", parsed.GetValue(containerdNamespace)),
                    ("max-layer-size", parsed.GetValue(maxLayer)?.ToString(CultureInfo.InvariantCulture)),
                    ("all-platforms", parsed.GetValue(all) ? "true" : null),
                    ("plain-http", parsed.GetValue(plain) ? "true" : null)));
            using HttpContent? logins = await Logins.BodyAsync(sources, global.Settings.Time, cancellationToken);
            using ApiClient client = global.Client(parsed);
            var progress = new ProgressDisplay();
            await foreach (JsonNode line in client.LinesAsync("ipcs/compare", query, logins, cancellationToken))
            {
                if (progress.TryShow(line))
                {
                    continue;
                }

                NameAsGiven(line, sources);
                if (parsed.GetValue(plot) is { } file)
                {
                    await File.WriteAllBytesAsync(file, ComparisonPlot.Draw(line), cancellationToken);
                }

                global.Print(parsed, line, Print);
            }

            return 0;
        });
        return command;
    }

    /// <summary>Replaces the absolute paths that were sent to the daemon by the names that the user typed.</summary>
    private static void NameAsGiven(JsonNode comparison, string[] sources)
    {
        Dictionary<string, string> names = sources.DistinctBy(Logins.Absolute).ToDictionary(Logins.Absolute, StringComparer.Ordinal);
        Rename(comparison["images"]!.AsArray());
        IEnumerable<JsonNode?> ofChunkers = comparison["comparisons"]!.AsArray().SelectMany(c => c!["buckets"]!.AsArray());
        foreach (JsonNode? bucket in comparison["buckets"]!.AsArray().Concat(ofChunkers))
        {
            Rename(bucket!["images"]!.AsArray());
        }

        void Rename(JsonArray list)
        {
            for (int i = 0; i < list.Count; i++)
            {
                list[i] = names.GetValueOrDefault((string)list[i]!, (string)list[i]!);
            }
        }
    }

    private static void Print(JsonNode comparison)
    {
        foreach (JsonNode? part in comparison["comparisons"]!.AsArray())
        {
            JsonArray buckets = part!["buckets"]!.AsArray();
            long all = buckets.Sum(b => (long)b!["bytes"]!);
            Terminal.Line($"chunker {part["chunker"]}");
            Terminal.Line($"{"blocks",10} {"bytes",14} {"share",7}  images");
            foreach (JsonNode? bucket in buckets)
            {
                double share = all == 0 ? 0 : 100.0 * (long)bucket!["bytes"]! / all;
                string owners = string.Join(" + ", bucket!["images"]!.AsArray().Select(i => (string?)i));
                Terminal.Line(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{(long)bucket["blocks"]!,10} {(long)bucket["bytes"]!,14} {share,6:F1}%  {owners}"));
            }

            long blocks = buckets.Sum(b => (long)b!["blocks"]!);
            Terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{blocks,10} {all,14} {100,6:F1}%  all"));
        }
    }
}
