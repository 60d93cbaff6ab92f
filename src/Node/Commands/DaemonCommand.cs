using System.CommandLine;
using Ipcs.Blockstore;
using Ipcs.CommandLine;
using Ipcs.Node.Daemon;
using Ipcs.Node.Options;

namespace Ipcs.Node.Commands;

/// <summary><c>ipcs daemon</c>: runs the node until SIGTERM or SIGINT.</summary>
internal static partial class DaemonCommand
{
    /// <summary>The command.</summary>
    public static Command Build(GlobalOptions global)
    {
        var command = new Command("daemon", "run the daemon; prints one line `ready …` when all sockets are open");
        var flags = new OptionFlags(global, command);
        command.SetAction(async (parsed, stop) =>
        {
            StoreException? failure = await RunAsync(flags.Load(parsed), global.Settings.Time, stop);
            return failure is null ? 0 : throw failure;
        });
        return command;
    }

    /// <summary>Runs the daemon until it is told to stop, or until its store takes no more writes: the failure is returned then.</summary>
    private static async Task<StoreException?> RunAsync(NodeOptions options, TimeProvider time, CancellationToken stop)
    {
        using ILoggerFactory loggers = Logs.Create(options, time);
        ILogger logger = loggers.CreateLogger(nameof(Daemon));
        foreach (string name in OptionsLoader.UnknownVariables(OptionsLoader.ProcessEnvironment().Keys))
        {
            LogUnknownVariable(logger, name);
        }

        foreach (string key in options.RetiredKeys)
        {
            LogRetiredKey(logger, key);
        }

        await using var manager = new ServiceManager(time, logger);
        await using var daemon = new NodeDaemon(options, loggers, time, new Random());
        Terminal.Line(await daemon.StartAsync(stop));
        manager.Ready();
        await ((Task)daemon.Broken).WaitAsync(stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        StoreException? failure = daemon.Broken.IsCompleted ? await daemon.Broken : null;
        if (failure is not null)
        {
            LogBroken(logger, failure.Message);
        }

        LogStopping(logger);
        manager.Stopping();
        return failure;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "unknown environment variable {Name} is ignored")]
    private static partial void LogUnknownVariable(ILogger logger, string name);

    [LoggerMessage(Level = LogLevel.Warning, Message = "the key {Key} of the config file has no effect any more")]
    private static partial void LogRetiredKey(ILogger logger, string key);

    [LoggerMessage(
        Level = LogLevel.Critical, Message = "the store takes no more writes until the daemon is started again, so it ends: {Reason}")]
    private static partial void LogBroken(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "stopping")]
    private static partial void LogStopping(ILogger logger);
}
