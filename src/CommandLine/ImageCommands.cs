using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Ipcs.CommandLine;

/// <summary><c>convert</c>, <c>pull</c>, and the commands of other files about images and containerd.</summary>
internal static class ImageCommands
{
    /// <summary>Builds the commands.</summary>
    public static IEnumerable<Command> Build(GlobalOptions global)
    {
        yield return Convert(global);
        yield return Pull(global);
        yield return CompareCommand.Build(global);
        yield return ContainerdCommands.Build(global);
    }

    private static Command Convert(GlobalOptions global)
    {
        var command = new Command("convert", "convert an image to one whose digests are DAG roots");
        var source = new Argument<string>("SRC")
        {
            Description = "registry reference | oci:DIR[:TAG] | oci-archive:FILE | docker-archive:FILE | containerd:REF",
        };
        var name = new Argument<string?>("NAME")
        {
            Description = "register it in containerd under this name",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var containerdNamespace = Namespace();
        var all = new Option<bool>("--all-platforms") { Description = "convert every platform of an index" };
        var plain = new Option<bool>("--plain-http") { Description = "use HTTP for the registry (implied for localhost)" };
        var profile = new Option<string?>("--profile")
        {
            Description = "DAG profile: kubo-v1 or kubo-v0 (default: the daemon's, whose images share all chunks with the unmodified ones)",
            HelpName = "NAME",
        };
        var chunker = new Option<string?>("--chunker")
        {
            Description = "how contents are split into chunks (default size-262144)",
            HelpName = "CHUNKER",
        };
        Option<long?> maxLayer = MaxLayerSize();
        command.Arguments.Add(source);
        command.Arguments.Add(name);
        foreach (Option option in (Option[])[containerdNamespace, all, plain, profile, chunker, maxLayer])
        {
            command.Options.Add(option);
        }

        command.SetAction(async (parsed, cancellationToken) =>
        {
            var query = GlobalOptions.Query(
                ("arg", Logins.Absolute(parsed.GetRequiredValue(source))),
                ("arg", parsed.GetValue(name)),
                ("profile", parsed.GetValue(profile)),
                ("chunker", parsed.GetValue(chunker)),
                ("namespace", parsed.GetValue(containerdNamespace)),
                ("max-layer-size", parsed.GetValue(maxLayer)?.ToString(CultureInfo.InvariantCulture)),
                ("all-platforms", parsed.GetValue(all) ? "true" : null),
                ("plain-http", parsed.GetValue(plain) ? "true" : null));
            using HttpContent? logins = await Logins.BodyAsync([parsed.GetRequiredValue(source)], global.Settings.Time, cancellationToken);
            using ApiClient client = global.Client(parsed);
            var progress = new ProgressDisplay();
            await foreach (JsonNode line in client.LinesAsync("ipcs/convert", query, logins, cancellationToken))
            {
                if (!progress.TryShow(line))
                {
                    global.Print(parsed, line, l => PrintConverted(l, parsed.GetValue(name) ?? parsed.GetRequiredValue(source)));
                }
            }

            return 0;
        });
        return command;
    }

    private static Command Pull(GlobalOptions global)
    {
        var command = new Command("pull", "fetch an image from the fleet into containerd, without a registry");
        var image = new Argument<string>("IMAGE") { Description = "NAME@sha256:ROOT, or ipfs://CID with NAME" };
        var name = new Argument<string?>("NAME") { Description = "the image's name, when IMAGE is a CID", Arity = ArgumentArity.ZeroOrOne };
        var containerdNamespace = Namespace();
        var unpack = new Option<bool>("--unpack") { Description = "unpack the image for this host's platform" };
        var snapshotter = new Option<string?>("--snapshotter")
        {
            Description = "the snapshotter of containerd to unpack with (default overlayfs)",
            HelpName = "NAME",
        };
        command.Arguments.Add(image);
        command.Arguments.Add(name);
        command.Options.Add(containerdNamespace);
        command.Options.Add(unpack);
        command.Options.Add(snapshotter);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var query = GlobalOptions.Query(
                ("arg", parsed.GetRequiredValue(image)),
                ("arg", parsed.GetValue(name)),
                ("namespace", parsed.GetValue(containerdNamespace)),
                ("unpack", parsed.GetValue(unpack) ? "true" : null),
                ("snapshotter", parsed.GetValue(snapshotter)));
            using ApiClient client = global.Client(parsed);
            var progress = new ProgressDisplay();
            await foreach (JsonNode line in client.LinesAsync("ipcs/pull", query, body: null, cancellationToken))
            {
                if (!progress.TryShow(line))
                {
                    global.Print(parsed, line, l => Terminal.Line($"pulled {l["name"]} {l["digest"]}"));
                }
            }

            return 0;
        });
        return command;
    }

    /// <summary>The option for what one layer may unpack to.</summary>
    internal static Option<long?> MaxLayerSize() =>
        OptionValues.Size("--max-layer-size", "the most that one compressed layer may unpack to, with --chunker tar (default 64GiB)");

    /// <summary>The option for containerd's namespace.</summary>
    internal static Option<string> Namespace() => new("-n", "--namespace")
    {
        Description = "containerd's namespace",
        HelpName = "NAMESPACE",
        DefaultValueFactory = _ => "default",
    };

    private static void PrintConverted(JsonNode image, string name)
    {
        Terminal.Line($"original   {image["original"]}");
        Terminal.Line($"manifest   {image["converted"]}");
        Terminal.Line($"{"bytes",12} {"blocks",7}  {"original",-71}  {"root",-71}  media type");
        foreach (JsonNode? d in image["descriptors"]!.AsArray())
        {
            string size = $"{(long)d!["size"]!,12} {(long)d["blocks"]!,7}";
            Terminal.Line($"{size}  {d["original"],-71}  {d["converted"],-71}  {d["mediaType"]}");
        }

        Terminal.Line($"converted {name} {image["converted"]}");
    }
}
