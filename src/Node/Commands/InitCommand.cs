using System.CommandLine;
using System.Text.Json.Nodes;
using Ipcs.CommandLine;
using Ipcs.Multiformats;
using Ipcs.Node.Daemon;
using Ipcs.Node.Listeners;
using Ipcs.Node.Options;

namespace Ipcs.Node.Commands;

/// <summary><c>ipcs init</c>: creates the key and the folders. The daemon creates them too when they are missing.</summary>
internal static class InitCommand
{
    /// <summary>The command.</summary>
    public static Command Build(GlobalOptions global)
    {
        var command = new Command("init", "create this node's key and folders, and print its peer id");
        var flags = new OptionFlags(global, command, "data", "content-socket");
        command.SetAction(parsed =>
        {
            NodeOptions options = flags.Load(parsed);
            string key = DataFolder.KeyFile(options.Data);
            if (File.Exists(key))
            {
                throw new CommandException($"{key} exists: this node is {DataFolder.Prepare(options.Data).PeerId}");
            }

            PeerId peer = DataFolder.Prepare(options.Data).PeerId;
            UnixListener.Prepare(options.ContentSocket);
            UnixListener.Prepare(options.ApiSocket);
            global.Print(
                parsed,
                new JsonObject { ["ID"] = peer.ToString(), ["Data"] = options.Data },
                _ => Terminal.Line($"peer  {peer}\ndata  {options.Data}"));
        });
        return command;
    }
}
