using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Ipcs.Node.Daemon;

/// <summary>
/// Formats a log message as one line: time, level, category, text. On a terminal the time has no date and the level has a colour.
/// </summary>
internal sealed class LineFormatter(bool terminal, TimeProvider time) : ConsoleFormatter(LineFormatter.FormatterName)
{
    /// <summary>The formatter's name in the options of the console logger.</summary>
    public const string FormatterName = "line";

    /// <inheritdoc/>
    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        DateTimeOffset now = time.GetUtcNow();
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

    /// <summary>Removes line breaks: text from a peer or a file must not look like another message.</summary>
    private static string OneLine(string message) => message.ReplaceLineEndings(" ");
}
