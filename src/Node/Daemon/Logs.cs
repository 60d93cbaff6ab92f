using Ipcs.Node.Options;
using Microsoft.Extensions.Logging.Console;

namespace Ipcs.Node.Daemon;

/// <summary>Where the daemon's messages go: always to standard error, since standard output is for the ready line alone.</summary>
internal static class Logs
{
    /// <summary>Loggers: JSON when asked to, else a line each: short and coloured on a terminal, with its priority for the journal, else with date and time.</summary>
    public static ILoggerFactory Create(NodeOptions options) => LoggerFactory.Create(logging =>
    {
        logging.SetMinimumLevel(options.LogLevel);

        // The web server's chatter is for whoever asks for everything.
        LogLevel server = options.LogLevel > LogLevel.Debug ? (LogLevel)Math.Max((int)options.LogLevel, (int)LogLevel.Warning) : options.LogLevel;
        logging.AddFilter("Microsoft", server);
        logging.AddFilter("Grpc", server);

        // The content service logs its failures itself; what is left is a client that went away.
        logging.AddFilter("Grpc.AspNetCore.Server.ServerCallHandler", LogLevel.None);

        // That a door can't be opened is told where the daemon ends for it.
        logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        if (options.JsonLogs)
        {
            logging.AddJsonConsole(o =>
            {
                o.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";
                o.UseUtcTimestamp = true;
            });
        }
        else if (!string.IsNullOrEmpty(Environment.GetEnvironmentVariable("JOURNAL_STREAM")) && Console.IsErrorRedirected)
        {
            logging.AddSystemdConsole();
        }
        else
        {
            logging.AddConsole(o => o.FormatterName = LineFormatter.Word);
            logging.Services.AddSingleton<ConsoleFormatter>(new LineFormatter(terminal: !Console.IsErrorRedirected));
        }

        logging.Services.Configure<ConsoleLoggerOptions>(o => o.LogToStandardErrorThreshold = LogLevel.Trace);
    });
}
