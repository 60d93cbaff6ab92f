using System.CommandLine;
using System.Text.Json.Nodes;
using Ipcs.CommandLine;
using Ipcs.Node.Options;

namespace Ipcs.Node.Commands;

/// <summary>
/// <c>ipcs config show</c>: the options of the running daemon. Without one, or with flags, the options of a daemon that would be started
/// with
/// the same flags and environment.
/// </summary>
internal static class ConfigCommand
{
    /// <summary>The command.</summary>
    public static Command Build(GlobalOptions global)
    {
        var show = new Command("show", "print the daemon's options, in the form of its config file");
        var flags = new OptionFlags(global, show);
        show.SetAction(async (parsed, cancellationToken) =>
        {
            (JsonObject document, string whose) = await FindAsync(global, flags, parsed, cancellationToken);
            global.Print(parsed, document, d => Terminal.Lines($"# {whose}\n{ConfigFile.ToToml(d.AsObject())}"));
            return 0;
        });
        return NodeCommands.Group("config", "the daemon's options", show);
    }

    private static async Task<(JsonObject Document, string Whose)> FindAsync(
        GlobalOptions global, OptionFlags flags, ParseResult parsed, CancellationToken cancellationToken)
    {
        if (!flags.AnyGiven(parsed))
        {
            using ApiClient client = global.Client(parsed);
            try
            {
                return ((await client.CallAsync("config/show", [], cancellationToken)).AsObject(), $"of the daemon at {client.Socket}");
            }
            catch (NoDaemonException)
            {
                // The options of a daemon that would be started now.
            }
        }

        return (ConfigFile.Document(flags.Load(parsed)), "of a daemon that would be started now");
    }
}
