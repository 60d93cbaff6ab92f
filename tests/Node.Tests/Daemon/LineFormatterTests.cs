using Ipcs.Node.Daemon;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.Node.Tests.Daemon;

public sealed class LineFormatterTests
{
    [Fact]
    public void A_message_is_one_line_with_time_level_and_category() =>
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warn  ContentFetcher: a \\x0a\\x1b\[31mb\n$", Write(
            LogLevel.Warning, "a \n\x1b[31mb", null, LogTarget.File));

    [Fact]
    public void An_error_is_one_line_too()
    {
        string line = Write(LogLevel.Error, "it failed", new IOException("first\nsecond"), LogTarget.File);
        Assert.Contains(" error ContentFetcher: it failed | System.IO.IOException: first second", line, StringComparison.Ordinal);
        Assert.Equal(line.Length - 1, line.IndexOf('\n', StringComparison.Ordinal));
    }

    [Fact]
    public void On_a_terminal_the_level_has_a_colour()
    {
        Assert.Contains("\x1b[31merror\x1b[0m", Write(LogLevel.Error, "x", null, LogTarget.Terminal), StringComparison.Ordinal);
        Assert.DoesNotContain("\x1b", Write(LogLevel.Information, "x", null, LogTarget.Terminal), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(LogLevel.Critical, "<2>")]
    [InlineData(LogLevel.Error, "<3>")]
    [InlineData(LogLevel.Warning, "<4>")]
    [InlineData(LogLevel.Information, "<6>")]
    [InlineData(LogLevel.Debug, "<7>")]
    public void For_the_journal_a_line_begins_with_its_priority(LogLevel level, string priority) =>
        Assert.Equal(priority + "ContentFetcher: a\\x0ab\n", Write(level, "a\nb", null, LogTarget.Journal));

    private static string Write(LogLevel level, string message, Exception? error, LogTarget target)
    {
        using var text = new StringWriter();
        new LineFormatter(target, TimeProvider.System).Write(
            new LogEntry<string>(level, "Ipcs.Fleet.ContentFetcher", new EventId(7), message, error, (state, _) => state), null, text);
        return text.ToString();
    }
}
