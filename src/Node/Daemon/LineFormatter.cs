using System.Globalization;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Ipcs.Node.Daemon;

/// <summary>
/// Formats a log message as one line: time, level, category, text. On a terminal the time has no date and the level has a colour. For
/// systemd's journal, which adds the time, the line begins with a priority: https://man7.org/linux/man-pages/man3/sd-daemon.3.html. Text
/// from a peer or a file is escaped, so that it can't look like another message.
/// </summary>
internal sealed class LineFormatter(LogTarget target, TimeProvider time) : ConsoleFormatter(LineFormatter.FormatterName)
{
    /// <summary>The formatter's name in the options of the console logger.</summary>
    public const string FormatterName = "line";

    /// <inheritdoc/>
    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        DateTimeOffset now = time.GetUtcNow();
        textWriter.Write(target switch
        {
            LogTarget.Journal => Priority(logEntry.LogLevel),
            LogTarget.Terminal => now.ToLocalTime().ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture),
            _ => now.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture),
        });
        textWriter.Write(target == LogTarget.Journal ? "" : Level(logEntry.LogLevel));
        textWriter.Write(logEntry.Category.AsSpan(logEntry.Category.LastIndexOf('.') + 1));
        textWriter.Write(": ");
        textWriter.Write(PrintableText.Escape(logEntry.Formatter(logEntry.State, logEntry.Exception)));
        if (logEntry.Exception is { } exception)
        {
            textWriter.Write(" | ");
            textWriter.Write(PrintableText.Escape(exception.ToString().ReplaceLineEndings(" ")));
        }

        textWriter.Write('\n');
    }

    private string Level(LogLevel level) => (level, target == LogTarget.Terminal) switch
    {
        (LogLevel.Critical or LogLevel.Error, true) => " \x1b[31merror\x1b[0m ",
        (LogLevel.Critical or LogLevel.Error, false) => " error ",
        (LogLevel.Warning, true) => " \x1b[33mwarn\x1b[0m  ",
        (LogLevel.Warning, false) => " warn  ",
        (LogLevel.Information, _) => " info  ",
        (LogLevel.Debug, _) => " debug ",
        _ => " trace ",
    };

    private static string Priority(LogLevel level) => level switch
    {
        LogLevel.Critical => "<2>",
        LogLevel.Error => "<3>",
        LogLevel.Warning => "<4>",
        LogLevel.Information => "<6>",
        _ => "<7>",
    };
}
