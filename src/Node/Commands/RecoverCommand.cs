using System.CommandLine;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Rocks;
using Ipcs.CommandLine;
using Ipcs.Dag.Gc;
using Ipcs.Node.Daemon;

namespace Ipcs.Node.Commands;

/// <summary><c>ipcs repo recover</c>: makes a damaged store open again. Needs no daemon: it would not start.</summary>
internal static class RecoverCommand
{
    /// <summary>The command.</summary>
    public static Command Build(GlobalOptions global)
    {
        var command = new Command("recover", "make a damaged store open again, without what cannot be read; the daemon must not run");
        var flags = new OptionFlags(global, command, "data");
        command.SetAction((parsed, cancellationToken) =>
        {
            string folder = DataFolder.StoreFolder(flags.Load(parsed).Data);
            StoreRecovery.Run(folder, Terminal.Line);
            using RocksStore store = RocksStore.Open(folder);
            var verifier = new RepoVerifier(store);
            int incomplete = 0;
            verifier.MarkIncomplete(
                new ContentCatalog(store),
                content =>
                {
                    incomplete++;
                    Terminal.Line($"content {content.Digest} is no longer complete");
                },
                cancellationToken);
            int pins = 0;
            foreach ((PinRecord pin, string why) in verifier.BrokenPins(cancellationToken))
            {
                pins++;
                Terminal.Line($"pin {pin.Root} is not complete: {why}");
            }

            Terminal.Line(incomplete + pins == 0
                ? "recovered: all contents and pins are whole"
                : $"recovered: {incomplete} contents and {pins} pins lack blocks: "
                + "start the daemon and run `ipcs repo verify --repair`, then `ipcs containerd check --fix`");
            return Task.FromResult(0);
        });
        return command;
    }
}
