using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text;
using Ipcs.Blockstore;

namespace Ipcs.CommandLine;

/// <summary>The command line: exit 0 done, 1 failed with one line on stderr, 2 wrong usage.</summary>
public static class Cli
{
    /// <summary>Parses and runs.</summary>
    public static async Task<int> RunAsync(string[] args, CliSettings settings)
    {
        Console.SetOut(new StreamWriter(new StandardOutput(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = true });

        // An argument that begins with @ is a file's name like any other, not a file of more arguments.
        ParseResult parsed = Build(settings).Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0)
        {
            await Console.Error.WriteLineAsync($"ipcs: {OneLine(parsed.Errors[0].Message)} (see 'ipcs --help')");
            return 2;
        }

        using var stop = new CancellationTokenSource();
        using PosixSignalRegistration term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, c => Stop(c, stop));
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, c => Stop(c, stop));
        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, stop.Token);
        }
        catch (UsageException e)
        {
            await Console.Error.WriteLineAsync($"ipcs: {OneLine(e.Message)}");
            return 2;
        }
        catch (BrokenPipeException)
        {
            // Who read the output had enough of it: that is no failure of ours.
            return 0;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            await Console.Error.WriteLineAsync("ipcs: interrupted");
            return 1;
        }
        catch (Exception e) when (e is CommandException or IOException or UnauthorizedAccessException or StoreException or System.Net.Sockets.SocketException)
        {
            await Console.Error.WriteLineAsync($"ipcs: {OneLine(e.Message)}");
            return 1;
        }
    }

    /// <summary>The whole tree of commands.</summary>
    private static RootCommand Build(CliSettings settings)
    {
        var root = new RootCommand("ipcs: the fleet's content store. A containerd content plugin that is a libp2p peer.");
        var options = new GlobalOptions(settings);
        root.Options.Add(options.ApiSocket);
        root.Options.Add(options.Json);
        IEnumerable<Command>[] commands =
        [
            settings.DaemonCommands(options), NodeCommands.Build(options), SwarmCommands.Build(options), FileCommands.Build(options),
            BlockCommands.Build(options), ImageCommands.Build(options),
        ];
        foreach (Command command in commands.SelectMany(group => group))
        {
            root.Subcommands.Add(command);
        }

        return root;
    }

    private static void Stop(PosixSignalContext signal, CancellationTokenSource stop)
    {
        // The second signal ends the process as if nobody listened for it.
        signal.Cancel = !stop.IsCancellationRequested;
        stop.Cancel();
    }

    private static string OneLine(string message) => message.ReplaceLineEndings(" ").Trim();
}
