using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.ControlApi.Tests;

public sealed class ErrorResponseTests
{
    [Fact]
    public async Task An_error_before_the_first_byte_has_none_of_the_failed_responses_headers()
    {
        (DefaultHttpContext context, TestResponse response) = TestResponse.New();
        context.Request.Protocol = "HTTP/1.1";
        await ControlApiRoutes.AnswerAsync(
            context,
            request => request.BytesAsync("application/octet-stream", 1 << 30, async body =>
            {
                await body.WriteAsync(new byte[ResponseBody.DefaultHeld], TestContext.Current.CancellationToken);
                throw new IOException("no peer has it");
            }),
            NullLogger.Instance);
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
    public async Task An_error_after_bytes_is_a_trailer_of_one_line()
    {
        TestResponse response = await FailLateAsync("HTTP/1.1", "it broke\r\nX-Other: é");
        string first = $"{ResponseBody.DefaultHeld:x}\r\n{new string('\0', ResponseBody.DefaultHeld)}\r\n";
        Assert.Equal($"{first}1\r\n\0\r\n0\r\nX-Stream-Error: it broke\\x0d\\x0aX-Other: é\r\n\r\n", response.Text);
        Assert.Equal("chunked", response.Headers.TransferEncoding);
        Assert.Equal("X-Stream-Error", response.Headers.Trailer);
        Assert.False(response.Aborted);
    }

    [Fact]
    public async Task An_error_after_bytes_closes_the_connection_of_a_client_that_knows_no_trailers()
    {
        TestResponse response = await FailLateAsync("HTTP/1.0", "x");
        Assert.Equal(ResponseBody.DefaultHeld + 1, response.Stream.Length);
        Assert.True(response.Aborted);
    }

    [Fact]
    public async Task Fewer_bytes_than_were_announced_are_an_error()
    {
        (DefaultHttpContext context, TestResponse response) = TestResponse.New();
        await ControlApiRoutes.AnswerAsync(
            context,
            request => request.BytesAsync(
                "application/octet-stream", 5, async body => await body.WriteAsync(new byte[4], TestContext.Current.CancellationToken)),
            NullLogger.Instance);
        Assert.Equal(500, context.Response.StatusCode);
        Assert.Contains("after 4 of 5 bytes", response.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_error_after_a_piece_of_a_document_closes_the_connection()
    {
        (DefaultHttpContext context, TestResponse response) = TestResponse.New();
        await using var document = new DocumentWriter(new ApiRequest(context));
        await document.AddAsync("{\"a\":[");
        await document.AddAsync(new string(' ', DocumentWriter.MaxBuffered));
        Assert.False(await ErrorResponse.WriteAsync(context, 500, "x"));
        Assert.Equal("{\"a\":[", response.Text.TrimEnd());
        Assert.True(response.Aborted);
    }

    private static async Task<TestResponse> FailLateAsync(string protocol, string message)
    {
        (DefaultHttpContext context, TestResponse response) = TestResponse.New();
        context.Request.Protocol = protocol;
        await ControlApiRoutes.AnswerAsync(
            context,
            request => request.BytesAsync("application/octet-stream", length: null, async body =>
            {
                await body.WriteAsync(new byte[ResponseBody.DefaultHeld], TestContext.Current.CancellationToken);
                await body.WriteAsync(new byte[1], TestContext.Current.CancellationToken);
                throw new IOException(message);
            }),
            NullLogger.Instance);
        return response;
    }
}
