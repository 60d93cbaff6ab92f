using System.Net.Sockets;
using Ipcs.Node.Listeners;
using Ipcs.TestKit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Ipcs.Node.Tests.Listeners;

public sealed class ListenerSetTests
{
    [Fact]
    public async Task A_request_that_does_not_end_is_aborted_when_its_time_is_over()
    {
        CancellationToken cancel = TestContext.Current.CancellationToken;
        using var folder = new TempFolder();
        string socket = Path.Combine(folder.Path, "api.sock");
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        WebApplicationBuilder builder = ListenerSet.NewBuilder(NullLoggerFactory.Instance);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(socket));
        WebApplication app = builder.Build();
        app.MapGet("/", (RequestDelegate)(context =>
        {
            begun.SetResult();
            return Task.Delay(Timeout.Infinite, context.RequestAborted);
        }));
        var time = new FakeTimeProvider();
        var listeners = new ListenerSet(time);
        await listeners.OpenAsync(app, socket, cancel);
        using var client = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, stop) =>
            {
                var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), stop);
                return new NetworkStream(connection, ownsSocket: true);
            },
        });
        Task<string> answer = client.GetStringAsync(new Uri("http://localhost/"), cancel);
        await begun.Task.WaitAsync(cancel);

        Task closing = listeners.DisposeAsync().AsTask();
        time.Advance(ListenerSet.DrainTime - TimeSpan.FromTicks(1));
        Assert.False(answer.IsCompleted);
        Assert.False(closing.IsCompleted);
        time.Advance(TimeSpan.FromTicks(1));
        await closing;
        await Assert.ThrowsAsync<HttpRequestException>(() => answer);
        Assert.False(File.Exists(socket));
    }
}
