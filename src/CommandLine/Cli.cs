using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Ipcs.Blockstore;

namespace Ipcs.CommandLine;

/// <summary>The command line. Exit status 0: done; 1: failed, with one line on standard error; 2: wrong usage.</summary>
public static class Cli
{
    /// <summary>Parses and runs a command. Returns the exit status.</summary>
    public static async Task<int> RunAsync(string[] args, CliSettings settings)
    {
        var utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        Console.SetOut(new StreamWriter(new StandardOutput(), utf8) { AutoFlush = true });

        // An argument that starts with @ is a file name, not a response file with more arguments.
        ParseResult parsed = Build(settings).Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        string? problem = EmptyValue(parsed.CommandResult) ?? (parsed.Errors.Count > 0 ? parsed.Errors[0].Message : null);
        if (problem is not null)
        {
            Terminal.Error($"{problem} (see 'ipcs --help')");
            return 2;
        }

        using var stop = new CancellationTokenSource();
        using PosixSignalRegistration term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, c => Stop(c, stop));
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, c => Stop(c, stop));
        try
        {
            var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
            return await parsed.InvokeAsync(configuration, stop.Token);
        }
        catch (UsageException e)
        {
            Terminal.Error(e.Message);
            return 2;
        }
        catch (BrokenPipeException)
        {
            // The reader, such as head, needs no more of the output.
            return 0;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            Terminal.Error("interrupted");
            return 1;
        }
        catch (Exception e) when (e is CommandException or IOException or UnauthorizedAccessException or StoreException or SocketException)
        {
            Terminal.Error(e.Message);
            return 1;
        }
    }

    /// <summary>The tree of all commands.</summary>
    private static RootCommand Build(CliSettings settings)
    {
        var root = new RootCommand("ipcs: the fleet's content store. A containerd content plugin that is a libp2p peer.");
        var options = new GlobalOptions(settings);
        root.Options.Add(options.ApiSocket);
        root.Options.Add(options.Json);
        IEnumerable<Command>[] commands =
        [
            settings.DaemonCommands(options), NodeCommands.Build(options, settings.RepoCommands(options)), SwarmCommands.Build(options),
            FileCommands.Build(options), BlockCommands.Build(options), ImageCommands.Build(options),
        ];
        foreach (Command command in commands.SelectMany(group => group))
        {
            root.Subcommands.Add(command);
        }

        return root;
    }

    private static void Stop(PosixSignalContext signal, CancellationTokenSource stop)
    {
        // The second signal ends the process at once.
        signal.Cancel = !stop.IsCancellationRequested;
        stop.Cancel();
    }

    /// <summary>
    /// Which argument or option of the command has an empty value, as from a variable of a script that is not set; null for none.
    /// </summary>
    private static string? EmptyValue(CommandResult? command)
    {
        for (; command is not null; command = command.Parent as CommandResult)
        {
            foreach (SymbolResult value in command.Children)
            {
                if (value is OptionResult or ArgumentResult && value.Tokens.Any(t => t.Value.Length == 0))
                {
                    return $"{(value as OptionResult)?.Option.Name ?? ((ArgumentResult)value).Argument.Name} is empty";
                }
            }
        }

        return null;
    }
}
