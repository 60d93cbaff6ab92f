using Microsoft.AspNetCore.Http;

namespace Ipcs.ControlApi.Tests;

public sealed class OriginCheckTests
{
    [Theory]
    [InlineData("127.0.0.1:5001", null, null, "curl/8", true)]
    [InlineData("localhost:5001", null, null, null, true)]
    [InlineData("[::1]:5001", null, null, null, true)]
    [InlineData("127.0.0.1:5001", "http://127.0.0.1:5001", null, "Mozilla/5.0", true)]
    [InlineData("127.0.0.1:80", "http://127.0.0.1", null, "Mozilla/5.0", true)]
    [InlineData("127.0.0.1:5001", null, "http://127.0.0.1:5001/webui", "Mozilla/5.0", true)]
    [InlineData("evil.example:5001", null, null, null, false)] // DNS rebinding: the name resolves to this host
    [InlineData("evil.example:5001", "http://evil.example:5001", null, "Mozilla/5.0", false)]
    [InlineData("", null, null, null, false)]
    [InlineData("127.0.0.1:5001", "http://evil.example", null, "Mozilla/5.0", false)]
    [InlineData("127.0.0.1:5001", "http://127.0.0.1:8080", null, "Mozilla/5.0", false)]
    [InlineData("127.0.0.1:5001", "null", null, "Mozilla/5.0", false)]
    [InlineData("127.0.0.1:5001", "file:///etc/passwd", null, "Mozilla/5.0", false)]
    [InlineData("127.0.0.1:5001", null, "http://evil.example/page", "Mozilla/5.0", false)]
    [InlineData("127.0.0.1:5001", null, null, "Mozilla/5.0", false)]
    public void Only_programs_and_pages_of_the_same_origin_may_call(
        string host, string? origin, string? referer, string? agent, bool allowed)
    {
        IHeaderDictionary headers = new HeaderDictionary();
        if (origin is not null)
        {
            headers.Origin = origin;
        }

        if (referer is not null)
        {
            headers.Referer = referer;
        }

        if (agent is not null)
        {
            headers.UserAgent = agent;
        }

        Assert.Equal(allowed, OriginCheck.Allows(headers, new HostString(host)));
    }
}
