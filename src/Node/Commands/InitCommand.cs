using System.CommandLine;
using System.Text.Json.Nodes;
using Ipcs.CommandLine;
using Ipcs.Libp2p.Security.Pnet;
using Ipcs.Multiformats;
using Ipcs.Node.Daemon;
using Ipcs.Node.Listeners;
using Ipcs.Node.Options;

namespace Ipcs.Node.Commands;

/// <summary>
/// <c>ipcs init</c>: creates the key and the folders. The daemon creates them too when they are missing. <c>--swarm-key new</c> creates the
/// key of a private network, too, also on a host that has its own key already.
/// </summary>
internal static class InitCommand
{
    /// <summary>The command.</summary>
    public static Command Build(GlobalOptions global)
    {
        var command = new Command("init", "create this node's key and folders, and print its peer id");
        var flags = new OptionFlags(global, command, "data", "content-socket");
        var swarmKey = new Option<string?>("--swarm-key")
        {
            Description = "new: create the key of a private network, to be copied to all its hosts",
            HelpName = "new",
        };
        swarmKey.AcceptOnlyFromAmong("new");
        command.Options.Add(swarmKey);
        command.SetAction(parsed =>
        {
            NodeOptions options = flags.Load(parsed);
            string key = DataFolder.KeyFile(options.Data);
            string? network = parsed.GetValue(swarmKey) is null ? null : options.SwarmKey ?? DataFolder.SwarmKeyFile(options.Data);
            if (network is not null && File.Exists(network))
            {
                throw new CommandException($"{network} exists: it is left as it is, since all hosts of its network need the same key");
            }

            if (network is null && File.Exists(key))
            {
                throw new CommandException($"{key} exists: this node is {DataFolder.Prepare(options.Data).PeerId}");
            }

            PeerId peer = DataFolder.Prepare(options.Data).PeerId;
            UnixListener.Prepare(options.ContentSocket);
            UnixListener.Prepare(options.ApiSocket);
            var document = new JsonObject { ["ID"] = peer.ToString(), ["Data"] = options.Data };
            if (network is not null)
            {
                SwarmKey.Create(network);
                document["SwarmKey"] = network;
            }

            global.Print(parsed, document, _ =>
            {
                Terminal.Line($"peer  {peer}\ndata  {options.Data}");
                if (network is not null)
                {
                    Terminal.Line($"key   {network}");
                }
            });
        });
        return command;
    }
}
