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
        Assert.Contains("cut off", error.Message, StringComparison.Ordinal);
        await daemon;
    }

    private async Task AnswerAsync(string response)
    {
        using Socket connection = await _listening.AcceptAsync(TestContext.Current.CancellationToken);
        await connection.ReceiveAsync(new byte[4096], TestContext.Current.CancellationToken);
        await connection.SendAsync(Encoding.ASCII.GetBytes(response), TestContext.Current.CancellationToken);
    }
}
