using Ipcs.Multiformats;
using Ipcs.Node.Daemon;
using Ipcs.Node.Options;

namespace Ipcs.Node.Tests.Daemon;

/// <summary>Which nodes strangers may ask.</summary>
public sealed class ExposureTests
{
    [Theory]
    [InlineData("/ip4/0.0.0.0/tcp/4001", true)]
    [InlineData("/ip6/::/tcp/4001", true)]
    [InlineData("/ip4/10.0.0.1/tcp/4001", true)]
    [InlineData("/ip4/127.0.0.1/tcp/4001,/ip4/10.0.0.1/tcp/4001", true)]
    [InlineData("/ip4/127.0.0.1/tcp/4001,/ip6/::1/tcp/4001", false)]
    [InlineData("/ip4/127.8.0.1/tcp/4001", false)]
    [InlineData("", false)]
    public void A_node_that_listens_beyond_loopback_is_open(string listen, bool open)
    {
        NodeOptions options = Options(listen);
        Assert.Equal(open, Exposure.IsOpen(options));
        options.Deny = ["10.0.0.0/8"];
        Assert.Equal(open, Exposure.IsOpen(options));
        options.SwarmKey = "/etc/swarm.key";
        Assert.False(Exposure.IsOpen(options));
        options.SwarmKey = null;
        options.Allow = ["10.0.0.0/8"];
        Assert.False(Exposure.IsOpen(options));
    }

    [Fact]
    public void By_default_a_node_is_open() => Assert.True(Exposure.IsOpen(new NodeOptions()));

    private static NodeOptions Options(string listen) => new()
    {
        Listen = [.. listen.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Multiaddr.Parse)],
    };
}
