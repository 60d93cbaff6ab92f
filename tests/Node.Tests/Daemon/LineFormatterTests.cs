using Ipcs.Node.Daemon;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.Node.Tests.Daemon;

public sealed class LineFormatterTests
{
    [Fact]
    public void AMessageIsOneLineWithTimeLevelAndWho() =>
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warn  ContentFetcher: a  b\n$", Write(LogLevel.Warning, "a \nb", null, terminal: false));

    [Fact]
    public void AnErrorIsOneLineToo()
    {
        string line = Write(LogLevel.Error, "it failed", new IOException("first\nsecond"), terminal: false);
        Assert.Contains(" error ContentFetcher: it failed | System.IO.IOException: first second", line, StringComparison.Ordinal);
        Assert.Equal(line.Length - 1, line.IndexOf('\n', StringComparison.Ordinal));
    }

    [Fact]
    public void OnATerminalTheLevelHasAColour()
    {
        Assert.Contains("\x1b[31merror\x1b[0m", Write(LogLevel.Error, "x", null, terminal: true), StringComparison.Ordinal);
        Assert.DoesNotContain("\x1b", Write(LogLevel.Information, "x", null, terminal: true), StringComparison.Ordinal);
    }

    private static string Write(LogLevel level, string message, Exception? error, bool terminal)
    {
        using var text = new StringWriter();
        new LineFormatter(terminal).Write(
            new LogEntry<string>(level, "Ipcs.Fleet.ContentFetcher", new EventId(7), message, error, (state, _) => state), null, text);
        return text.ToString();
    }
}
