using System.Text.Json.Nodes;
using Ipcs.Libp2p.Muxing;
using Ipcs.Libp2p.Negotiation;
using Ipcs.Libp2p.Security.Noise;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Ipcs.ControlApi.Tests;

public sealed class ControlApiRoutesTests
{
    public static TheoryData<Exception> Failures =>
    [
        new NegotiationException("the peer supports none of /ipfs/ping/1.0.0"),
        new MuxerException("mplex has no flag 7"),
        new NoiseException("a frame fails authentication"),
        new EndOfStreamException("the peer closed the ping stream"),
        new IOException("the peer answered the ping with other bytes"),
        new InvalidDataException("a message length is not a varint"),
        new UnauthorizedAccessException("Access to the path '/root/image.tar' is denied."),
    ];

    [Theory]
    [MemberData(nameof(Failures), DisableDiscoveryEnumeration = true)]
    public async Task What_a_peer_or_the_disk_does_is_an_error_of_one_line_and_not_logged(Exception failure)
    {
        (DefaultHttpContext context, TestResponse response) = TestResponse.New();
        var log = new ErrorLog();
        await ControlApiRoutes.AnswerAsync(context, _ => Task.FromException(failure), log);
        Assert.Equal(500, context.Response.StatusCode);
        Assert.Equal(failure.Message, (string?)JsonNode.Parse(response.Text)!["Message"]);
        Assert.Empty(log.Errors);
    }

    [Fact]
    public async Task An_error_of_the_daemon_itself_is_logged_with_its_stack()
    {
        (DefaultHttpContext context, _) = TestResponse.New();
        var failure = new InvalidOperationException("a defect");
        var log = new ErrorLog();
        await ControlApiRoutes.AnswerAsync(context, _ => Task.FromException(failure), log);
        Assert.Equal(500, context.Response.StatusCode);
        Assert.Same(failure, Assert.Single(log.Errors));
    }

    private sealed class ErrorLog : ILogger
    {
        public List<Exception> Errors { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (exception is not null)
            {
                Errors.Add(exception);
            }
        }
    }
}
