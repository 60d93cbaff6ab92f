using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace Ipcs.ControlApi.Tests;

public sealed class MultipartTests
{
    [Fact]
    public async Task A_part_is_read_to_its_end()
    {
        MultipartReader parts = Open("--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nabc\r\n--b--\r\n");
        MultipartSection part = (await Multipart.NextAsync(parts, TestContext.Current.CancellationToken))!;
        Assert.Equal("abc", await ReadAsync(part.Body));
        Assert.Null(await Multipart.NextAsync(parts, TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("abc")]
    [InlineData("")]
    public async Task A_part_without_an_end_is_status_400(string body)
    {
        MultipartReader parts = Open($"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n{body}");
        MultipartSection part = (await Multipart.NextAsync(parts, TestContext.Current.CancellationToken))!;
        ApiException error = await Assert.ThrowsAsync<ApiException>(() => ReadAsync(part.Body));
        Assert.Equal(400, error.Status);
    }

    private static MultipartReader Open(string body)
    {
        var context = new DefaultHttpContext();
        context.Request.ContentType = "multipart/form-data; boundary=b";
        context.Request.Body = new MemoryStream(Encoding.ASCII.GetBytes(body));
        return Multipart.Open(new ApiRequest(context));
    }

    private static async Task<string> ReadAsync(Stream stream)
    {
        using var all = new MemoryStream();
        await stream.CopyToAsync(all, TestContext.Current.CancellationToken);
        return Encoding.ASCII.GetString(all.ToArray());
    }
}
