using System.CommandLine;
using Ipcs.Node.Daemon;
using Ipcs.Node.Options;
using Microsoft.Extensions.Logging.Console;

namespace Ipcs.Node.CommandLine;

/// <summary><c>ipcs daemon</c>: runs the node until SIGTERM or SIGINT.</summary>
internal static class DaemonCommand
{
    /// <summary>The command.</summary>
    public static Command Build(GlobalOptions global)
    {
        var command = new Command("daemon", "run the daemon; prints one line `ready …` when all doors are open");
        var config = new Option<string?>("--config") { Description = "config file (TOML); every option is a key of it", HelpName = "FILE" };
        var flags = new Dictionary<string, Option<string[]>>(StringComparer.Ordinal);
        command.Options.Add(config);
        foreach (Setting setting in Setting.All)
        {
            if (setting.Name == global.ApiSocket.Name.TrimStart('-'))
            {
                continue;
            }

            var flag = new Option<string[]>("--" + setting.Name)
            {
                Description = $"{setting.Help} (also {setting.Variable})",
                HelpName = setting.Value,
                Arity = ArgumentArity.OneOrMore,
                AllowMultipleArgumentsPerToken = false,
                CustomParser = result => [.. result.Tokens.Select(t => t.Value)],
            };
            flags.Add(setting.Name, flag);
            command.Options.Add(flag);
        }

        command.SetAction(async (parsed, stop) =>
        {
            var given = flags.ToDictionary(f => f.Key, f => (IReadOnlyList<string>)(parsed.GetValue(f.Value) ?? []), StringComparer.Ordinal);
            if (parsed.GetValue(global.ApiSocket) is { } socket)
            {
                given["api-socket"] = [socket];
            }

            string? file = parsed.GetValue(config) ?? Environment.GetEnvironmentVariable("IPCS_CONFIG");
            await RunAsync(OptionsLoader.Load(file, Environment.GetEnvironmentVariable, given), stop);
            return 0;
        });
        return command;
    }

    private static async Task RunAsync(NodeOptions options, CancellationToken stop)
    {
        using ILoggerFactory loggers = LoggerFactory.Create(logging =>
        {
            logging.SetMinimumLevel(LogLevel.Information);
            logging.AddFilter("Microsoft", LogLevel.Warning);
            logging.AddFilter("Grpc", LogLevel.Warning);
            if (options.JsonLogs)
            {
                logging.AddJsonConsole();
            }
            else
            {
                logging.AddSimpleConsole(o => o.SingleLine = true);
            }

            // Standard output is for the ready line alone.
            logging.Services.Configure<ConsoleLoggerOptions>(o => o.LogToStandardErrorThreshold = LogLevel.Trace);
        });
        await using var daemon = new NodeDaemon(options, loggers);
        Console.Out.WriteLine(await daemon.StartAsync(stop));
        await Console.Out.FlushAsync(CancellationToken.None);
        await Task.Delay(Timeout.Infinite, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
