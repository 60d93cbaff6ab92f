using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Ipcs.ControlApi.Tests;

public sealed class ErrorResponseTests
{
    [Fact]
    public async Task An_error_before_the_first_byte_has_none_of_the_failed_responses_headers()
    {
        (DefaultHttpContext context, TestResponse response) = TestResponse.New();
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
        (DefaultHttpContext context, TestResponse response) = TestResponse.New();
        await new ApiRequest(context).LineAsync(new JsonObject { ["n"] = 1 });
        Assert.True(await ErrorResponse.WriteAsync(context, 500, "x"));
        Assert.Equal(["{\"n\":1}", "{\"Message\":\"x\",\"Code\":0,\"Type\":\"error\"}", ""], response.Text.Split('\n'));
        Assert.False(response.Aborted);
    }

    [Fact]
    public async Task An_error_after_bytes_closes_the_connection()
    {
        (DefaultHttpContext context, TestResponse response) = TestResponse.New();
        await new ApiRequest(context).Bytes("application/octet-stream").WriteAsync(new byte[3], TestContext.Current.CancellationToken);
        Assert.False(await ErrorResponse.WriteAsync(context, 500, "x"));
        Assert.Equal("\0\0\0", response.Text);
        Assert.True(response.Aborted);
    }

    [Fact]
    public async Task An_error_after_a_piece_of_a_document_closes_the_connection()
    {
        (DefaultHttpContext context, TestResponse response) = TestResponse.New();
        var document = new DocumentWriter(new ApiRequest(context));
        await document.AddAsync("{\"a\":[");
        await document.EndAsync();
        Assert.False(await ErrorResponse.WriteAsync(context, 500, "x"));
        Assert.Equal("{\"a\":[", response.Text);
        Assert.True(response.Aborted);
    }
}
