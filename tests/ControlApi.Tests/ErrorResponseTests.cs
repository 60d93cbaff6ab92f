using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Ipcs.ControlApi.Tests;

public sealed class ErrorResponseTests
{
    [Fact]
    public async Task An_error_before_the_first_byte_has_none_of_the_failed_responses_headers()
    {
        (DefaultHttpContext context, Response response) = NewContext();
        new ApiRequest(context).Bytes("application/octet-stream", 1 << 30);
        Assert.True(await ErrorResponse.WriteAsync(context, 500, "no peer has it"));
        Assert.Equal(500, context.Response.StatusCode);
        Assert.Equal("application/json", context.Response.ContentType);
        Assert.Null(context.Response.ContentLength);
        Assert.DoesNotContain(context.Response.Headers, header => header.Key.StartsWith("X-", StringComparison.Ordinal));
        JsonNode error = JsonNode.Parse(response.Text)!;
        Assert.Equal(("no peer has it", 0, "error"), ((string?)error["Message"], (int)error["Code"]!, (string?)error["Type"]));
    }

    [Fact]
    public async Task An_error_after_json_lines_is_the_last_line()
    {
        (DefaultHttpContext context, Response response) = NewContext();
        await new ApiRequest(context).LineAsync(new JsonObject { ["n"] = 1 });
        response.Started = true;
        Assert.True(await ErrorResponse.WriteAsync(context, 500, "x"));
        Assert.Equal(["{\"n\":1}", "{\"Message\":\"x\",\"Code\":0,\"Type\":\"error\"}", ""], response.Text.Split('\n'));
        Assert.False(response.Aborted);
    }

    [Fact]
    public async Task An_error_after_bytes_closes_the_connection()
    {
        (DefaultHttpContext context, Response response) = NewContext();
        await new ApiRequest(context).Bytes("application/octet-stream").WriteAsync(new byte[3], TestContext.Current.CancellationToken);
        response.Started = true;
        Assert.False(await ErrorResponse.WriteAsync(context, 500, "x"));
        Assert.Equal("\0\0\0", response.Text);
        Assert.True(response.Aborted);
    }

    private static (DefaultHttpContext Context, Response Response) NewContext()
    {
        var response = new Response();
        var context = new DefaultHttpContext();
        context.Features.Set<IHttpResponseFeature>(response);
        context.Features.Set<IHttpRequestLifetimeFeature>(response);
        context.Features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(response.Stream));
        return (context, response);
    }

    /// <summary>A response that has started when the test says so, and its connection.</summary>
    private sealed class Response : HttpResponseFeature, IHttpRequestLifetimeFeature
    {
        public CancellationToken RequestAborted { get; set; }

        public override bool HasStarted => Started;

        public bool Started { get; set; }

        public bool Aborted { get; private set; }

        public MemoryStream Stream { get; } = new();

        public string Text => System.Text.Encoding.UTF8.GetString(Stream.ToArray());

        public void Abort() => Aborted = true;
    }
}
