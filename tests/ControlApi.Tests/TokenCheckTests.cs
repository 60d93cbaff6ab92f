using System.Net;
using Microsoft.AspNetCore.Http;

namespace Ipcs.ControlApi.Tests;

public sealed class TokenCheckTests
{
    [Theory]
    [InlineData("Bearer secret", true)]
    [InlineData("bearer  secret", true)]
    [InlineData("Bearer secret2", false)]
    [InlineData("Bearer ", false)]
    [InlineData("Basic secret", false)]
    [InlineData("secret", false)]
    [InlineData(null, false)]
    public void Only_the_token_is_allowed(string? header, bool allowed)
    {
        IHeaderDictionary headers = new HeaderDictionary();
        if (header is not null)
        {
            headers.Authorization = header;
        }

        Assert.Equal(allowed, new TokenCheck("secret").Allows(headers));
        Assert.True(new TokenCheck(null).Allows(headers));
    }

    [Fact]
    public void A_unix_socket_needs_no_token()
    {
        var context = new DefaultHttpContext();
        Assert.True(new TokenCheck("secret").Allows(context));
        context.Connection.LocalIpAddress = IPAddress.Loopback;
        Assert.False(new TokenCheck("secret").Allows(context));
    }
}
