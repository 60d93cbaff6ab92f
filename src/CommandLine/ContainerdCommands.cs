using System.CommandLine;
using System.Text.Json.Nodes;
using Ipcs.Oci.Containerd;

namespace Ipcs.CommandLine;

/// <summary><c>containerd config</c> and <c>containerd check</c>.</summary>
internal static class ContainerdCommands
{
    /// <summary>Builds the commands.</summary>
    public static Command Build(GlobalOptions global) =>
        NodeCommands.Group("containerd", "set containerd up, and bring it and ipcs together after a loss", [Config(global), Check(global)]);

    /// <summary>The lines of a document of <c>ipcs/containerd/check</c>.</summary>
    internal static IEnumerable<PrintableHandler> Lines(JsonNode document)
    {
        if (document["warning"] is { } warning)
        {
            yield return $"warning: {warning}";
        }
        else if (document["digest"] is not null)
        {
            string state = $"{document["problem"]}: {document["reason"]}{Outcome(document)}";
            string space = (string?)document["namespace"] ?? "-";
            yield return $"{space}\t{document["digest"]}\t{document["size"]}\t{state}\t{Images(document["images"])}";
        }
        else
        {
            foreach (JsonNode? pull in document["pull"]!.AsArray())
            {
                yield return $"pull again: {pull!["image"]} (namespace {pull["namespace"]})";
            }

            long differences = (long)document["differences"]!;
            string result = differences == 0 ? "no differences" : $"{differences} differences, {document["left"]} left";
            yield return $"{document["contents"]} contents in {document["namespaces"]} namespaces: {result}";
        }
    }

    private static void Show(JsonNode document)
    {
        foreach (PrintableHandler line in Lines(document))
        {
            Terminal.Line(line);
        }
    }

    private static string Outcome(JsonNode line) => (string?)line["fix"] switch
    {
        "fetched" => " (fetched from the fleet)",
        "owned" => " (containerd's again)",
        "dropped" => " (containerd's record is dropped)",
        "released" => " (left to the next garbage collection)",
        _ => line["error"] is { } error ? $" (not put right: {error})" : "",
    };

    private static string Images(JsonNode? images) => string.Join(", ", (images as JsonArray ?? []).Select(image => (string?)image));

    private static Command Check(GlobalOptions global)
    {
        var command = new Command("check", "compare what containerd records, in all its namespaces, with what ipcs has for it");
        var fix = new Option<bool>("--fix")
        {
            Description = "fetch what ipcs lacks, or have containerd forget it so that it is pulled again; free what containerd forgot",
        };
        var config = new Option<string>("--containerd-config")
        {
            Description = "containerd's configuration, of which the daemon reads what matters to ipcs",
            HelpName = "FILE",
            DefaultValueFactory = _ => ContainerdSettings.DefaultFile,
        };
        command.Options.Add(fix);
        command.Options.Add(config);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var query = GlobalOptions.Query(
                ("fix", parsed.GetValue(fix) ? "true" : null), ("config", Path.GetFullPath(parsed.GetRequiredValue(config))));
            using ApiClient client = global.Client(parsed);
            var progress = new ProgressDisplay();
            await foreach (JsonNode line in client.LinesAsync("ipcs/containerd/check", query, body: null, cancellationToken))
            {
                if (!progress.TryShow(line))
                {
                    global.Print(parsed, line, Show);
                }
            }

            return 0;
        });
        return command;
    }

    private static Command Config(GlobalOptions global)
    {
        var command = new Command("config", "print the configuration that makes ipcs containerd's content store");
        Option<string?> version = OptionValues.OneOf("--version", null, "2 for containerd 1.6 and 1.7, 3 for 2.x", "N", "2", "2", "3");
        var socket = new Option<string>("--content-socket")
        {
            Description = "the daemon's content socket",
            HelpName = "PATH",
            DefaultValueFactory = _ => global.Settings.ContentSocket,
        };
        command.Options.Add(version);
        command.Options.Add(socket);
        command.SetAction(parsed => Terminal.Lines($"""
            version = {parsed.GetValue(version)}
            disabled_plugins = ["io.containerd.content.v1.content"]
            required_plugins = ["io.containerd.content.v1.ipcs", "io.containerd.metadata.v1.bolt"]
            [proxy_plugins.ipcs]
              type = "content"
              address = "{parsed.GetValue(socket)}"

            {LayerProcessor.Configuration(Environment.ProcessPath ?? "ipcs", global.Socket(parsed))}

            # Settings of yours that matter to ipcs; `ipcs containerd check` names those that work against it:
            #   discard_unpacked_layers = true       (CRI) containerd deletes each layer after unpacking it; ipcs keeps it for the fleet
            #                                        for `retain`, 24h unless the daemon is told otherwise
            #   content_sharing_policy = "isolated"  (metadata) each namespace pulls what another one has already
            #   config_path                          (CRI) the folder with hosts.toml: where what the fleet does not have comes from
            """));
        return command;
    }
}
