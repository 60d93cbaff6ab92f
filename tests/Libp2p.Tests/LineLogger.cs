using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Ipcs.Libp2p.Tests;

/// <summary>Collects the log lines that match, for the message of a failed test.</summary>
internal sealed class LineLogger(Predicate<string> keep) : ILogger
{
    private readonly ConcurrentQueue<string> _lines = new();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        string line = formatter(state, exception);
        if (keep(line))
        {
            _lines.Enqueue(line);
        }
    }

    public override string ToString() => string.Join('\n', _lines);
}
