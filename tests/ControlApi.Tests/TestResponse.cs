using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Ipcs.ControlApi.Tests;

/// <summary>
/// A response in memory, which has started with its first byte, and its connection. As in Kestrel, its headers can't be changed then.
/// </summary>
internal sealed class TestResponse : HttpResponseFeature, IHttpRequestLifetimeFeature
{
    private TestResponse()
    {
    }

    public CancellationToken RequestAborted { get; set; }

    public override bool HasStarted => Stream.Length > 0;

    public bool Aborted { get; private set; }

    public MemoryStream Stream { get; } = new();

    public string Text => Encoding.UTF8.GetString(Stream.ToArray());

    /// <summary>A request with a query, and its response.</summary>
    public static (DefaultHttpContext Context, TestResponse Response) New(string query = "")
    {
        var response = new TestResponse();
        var context = new DefaultHttpContext();
        context.Features.Set<IHttpResponseFeature>(response);
        context.Features.Set<IHttpRequestLifetimeFeature>(response);
        context.Features.Set<IHttpResponseBodyFeature>(new ResponseBody(response));
        context.Request.QueryString = new QueryString(query);
        return (context, response);
    }

    public void Abort() => Aborted = true;

    private sealed class ResponseBody(TestResponse response) : StreamResponseBodyFeature(response.Stream)
    {
        public override Task StartAsync(CancellationToken cancellationToken = default)
        {
            ((HeaderDictionary)response.Headers).IsReadOnly = true;
            return base.StartAsync(cancellationToken);
        }
    }
}
