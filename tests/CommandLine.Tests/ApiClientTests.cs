using System.Net.Sockets;
using System.Text;
using Ipcs.TestKit;

namespace Ipcs.CommandLine.Tests;

/// <summary>A client of a daemon that sends one response, which is cut off.</summary>
public sealed class ApiClientTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly Socket _listening = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly ApiClient _client;

    public ApiClientTests()
    {
        _listening.Bind(new UnixDomainSocketEndPoint(_folder["s"]));
        _listening.Listen(1);
        _client = new ApiClient(_folder["s"]);
    }

    public void Dispose()
    {
        _client.Dispose();
        _listening.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("200 OK", "{\"Version\":")]
    [InlineData("500 Internal Server Error", "{\"Message\":")]
    [InlineData("500 Internal Server Error", "")]
    public async Task A_response_that_is_cut_off_is_an_error_of_the_command(string status, string body)
    {
        Task daemon = AnswerAsync($"HTTP/1.1 {status}\r\nContent-Length: 1000\r\n\r\n{body}");
        CommandException error = await Assert.ThrowsAsync<CommandException>(
            () => _client.CallAsync("version", [], TestContext.Current.CancellationToken));
        Assert.Contains($"broke off the answer after {body.Length} bytes: ", error.Message, StringComparison.Ordinal);
        await daemon;
    }

    [Fact]
    public async Task The_reason_of_a_response_that_ends_early_is_that_of_its_trailer()
    {
        Task daemon = AnswerAsync(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Stream-Error: block x is not here, ü\r\n\r\n");
        using var output = new MemoryStream();
        CommandException error = await Assert.ThrowsAsync<CommandException>(
            () => _client.CopyAsync("cat", [], output, TimeProvider.System, TestContext.Current.CancellationToken));
        Assert.Equal("the daemon broke off the answer after 3 bytes: block x is not here, ü", error.Message);
        Assert.Equal("abc", Encoding.ASCII.GetString(output.ToArray()));
        await daemon;
    }

    [Fact]
    public async Task A_response_that_is_shorter_than_it_said_is_an_error()
    {
        Task daemon = AnswerAsync("HTTP/1.1 200 OK\r\nX-Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        CommandException error = await Assert.ThrowsAsync<CommandException>(
            () => _client.CopyAsync("cat", [], Stream.Null, TimeProvider.System, TestContext.Current.CancellationToken));
        Assert.Contains("after 3 bytes", error.Message, StringComparison.Ordinal);
        await daemon;
    }

    [Fact]
    public async Task A_connection_that_closes_without_an_answer_is_an_error_with_its_cause()
    {
        Task daemon = AnswerAsync("HTTP/1.1 200");
        CommandException error = await Assert.ThrowsAsync<CommandException>(
            () => _client.CallAsync("version", [], TestContext.Current.CancellationToken));
        Assert.Contains("ended prematurely", error.Message, StringComparison.Ordinal);
        await daemon;
    }

    [Theory]
    [InlineData("")]
    [InlineData("/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678")]
    public void A_path_that_no_socket_can_have_is_an_error_of_the_command(string path) =>
        Assert.Throws<CommandException>(() => new ApiClient(path));

    private async Task AnswerAsync(string response)
    {
        using Socket connection = await _listening.AcceptAsync(TestContext.Current.CancellationToken);
        await connection.ReceiveAsync(new byte[4096], TestContext.Current.CancellationToken);
        await connection.SendAsync(Encoding.UTF8.GetBytes(response), TestContext.Current.CancellationToken);
    }
}
