using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Ipcs.Node.Daemon;

/// <summary>A message as a line for people: time, level, who says it, what. On a terminal the time is short and the level has a colour.</summary>
internal sealed class LineFormatter(bool terminal) : ConsoleFormatter(LineFormatter.Word)
{
    /// <summary>What the console logger knows it by.</summary>
    public const string Word = "line";

    /// <inheritdoc/>
    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        textWriter.Write(terminal
            ? now.ToLocalTime().ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture)
            : now.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture));
        textWriter.Write(Level(logEntry.LogLevel));
        textWriter.Write(logEntry.Category.AsSpan(logEntry.Category.LastIndexOf('.') + 1));
        textWriter.Write(": ");
        textWriter.Write(OneLine(logEntry.Formatter(logEntry.State, logEntry.Exception)));
        if (logEntry.Exception is { } exception)
        {
            textWriter.Write(" | ");
            textWriter.Write(OneLine(exception.ToString()));
        }

        textWriter.Write('\n');
    }

    private string Level(LogLevel level) => (level, terminal) switch
    {
        (LogLevel.Critical or LogLevel.Error, true) => " \x1b[31merror\x1b[0m ",
        (LogLevel.Critical or LogLevel.Error, false) => " error ",
        (LogLevel.Warning, true) => " \x1b[33mwarn\x1b[0m  ",
        (LogLevel.Warning, false) => " warn  ",
        (LogLevel.Information, _) => " info  ",
        (LogLevel.Debug, _) => " debug ",
        _ => " trace ",
    };

    /// <summary>What a peer or a file put into a message must not look like another message.</summary>
    private static string OneLine(string message) => message.ReplaceLineEndings(" ");
}
