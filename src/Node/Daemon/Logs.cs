using Ipcs.Node.Options;
using Microsoft.Extensions.Logging.Console;

namespace Ipcs.Node.Daemon;

/// <summary>The daemon's loggers. They write to standard error; standard output has only the ready line.</summary>
internal static class Logs
{
    /// <summary>
    /// Creates the loggers. They write JSON when the options say so, or else the lines of <see cref="LineFormatter"/>.
    /// </summary>
    public static ILoggerFactory Create(NodeOptions options, TimeProvider time) => LoggerFactory.Create(logging =>
    {
        logging.SetMinimumLevel(options.LogLevel);

        // Messages of the web server below a warning are logged from level debug on.
        LogLevel server = options.LogLevel > LogLevel.Debug
            ? (LogLevel)Math.Max((int)options.LogLevel, (int)LogLevel.Warning)
            : options.LogLevel;
        logging.AddFilter("Microsoft", server);
        logging.AddFilter("Grpc", server);

        // The content service logs its own failures. The others are closed connections of clients.
        logging.AddFilter("Grpc.AspNetCore.Server.ServerCallHandler", LogLevel.None);

        // The daemon reports a socket that can't be opened itself.
        logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        if (options.JsonLogs)
        {
            logging.AddJsonConsole(o =>
            {
                o.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";
                o.UseUtcTimestamp = true;
            });
        }
        else
        {
            LogTarget target = !Console.IsErrorRedirected ? LogTarget.Terminal
                : string.IsNullOrEmpty(Environment.GetEnvironmentVariable("JOURNAL_STREAM")) ? LogTarget.File
                : LogTarget.Journal;
            logging.AddConsole(o => o.FormatterName = LineFormatter.FormatterName);
            logging.Services.AddSingleton<ConsoleFormatter>(new LineFormatter(target, time));
        }

        logging.Services.Configure<ConsoleLoggerOptions>(o => o.LogToStandardErrorThreshold = LogLevel.Trace);
    });
}
