using System.Net;
using Ipcs.Node.Daemon;
using Ipcs.Node.Options;
using Ipcs.TestKit;
using Microsoft.Extensions.Logging;

namespace Ipcs.Node.Tests.Daemon;

public sealed class ApiTokenTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly WarningLog _log = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("0.0.0.0")]
    [InlineData("10.0.0.1")]
    [InlineData("::")]
    public void An_address_of_other_hosts_needs_a_token(string address)
    {
        OptionsException error = Assert.Throws<OptionsException>(() => Load(address, file: null));
        Assert.Contains("--api-token", error.Message, StringComparison.Ordinal);
        Assert.Equal("secret", Load(address, Write("secret\n", UnixFileMode.UserRead)));
        Assert.Contains("without encryption", Assert.Single(_log.Warnings), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    [InlineData(null)]
    public void Loopback_needs_none(string? address)
    {
        Assert.Null(Load(address, file: null));
        Assert.Equal("secret", Load(address, Write("secret\n", UnixFileMode.UserRead)));
        Assert.Empty(_log.Warnings);
    }

    [Fact]
    public void A_file_that_others_can_read_is_warned_of()
    {
        Load("127.0.0.1", Write("secret", UnixFileMode.UserRead | UnixFileMode.OtherRead));
        Assert.Contains("chmod 600", Assert.Single(_log.Warnings), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData(" \n", "is empty")]
    [InlineData("two words", "blanks")]
    [InlineData("sécret", "ASCII")]
    public void A_file_without_a_token_is_refused(string text, string problem)
    {
        OptionsException error = Assert.Throws<OptionsException>(() => Load("127.0.0.1", Write(text, UnixFileMode.UserRead)));
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_not_there_is_refused() =>
        Assert.Throws<OptionsException>(() => Load("127.0.0.1", _folder["none"]));

    private string? Load(string? address, string? file) => ApiToken.Load(
        new NodeOptions { ApiAddress = address is null ? null : new IPEndPoint(IPAddress.Parse(address), 5001), ApiToken = file }, _log);

    private string Write(string text, UnixFileMode mode)
    {
        string file = _folder[$"token{Guid.NewGuid():N}"];
        File.WriteAllText(file, text);
        File.SetUnixFileMode(file, mode);
        return file;
    }

    private sealed class WarningLog : ILogger
    {
        public List<string> Warnings { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel >= LogLevel.Warning)
            {
                Warnings.Add(formatter(state, exception));
            }
        }
    }
}
