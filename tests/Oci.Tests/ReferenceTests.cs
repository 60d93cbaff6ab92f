using Ipcs.Multiformats;

namespace Ipcs.Oci.Tests;

public sealed class ReferenceTests
{
    private const string Sha = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    [Theory]
    [InlineData("alpine", "docker.io/library/alpine:latest")]
    [InlineData("alpine:3", "docker.io/library/alpine:3")]
    [InlineData("team/app", "docker.io/team/app:latest")]
    [InlineData("docker.io/library/alpine:latest", "docker.io/library/alpine:latest")]
    [InlineData("docker.io/alpine", "docker.io/library/alpine:latest")]
    [InlineData("index.docker.io/library/alpine", "docker.io/library/alpine:latest")]
    [InlineData("localhost/app", "localhost/app:latest")]
    [InlineData("host:5000/app", "host:5000/app:latest")]
    [InlineData("Host/app", "Host/app:latest")]
    [InlineData("[::1]:5000/app:v1", "[::1]:5000/app:v1")]
    [InlineData("ghcr.example/a/b_c/d--e:V1.2-x", "ghcr.example/a/b_c/d--e:V1.2-x")]
    [InlineData("host:5000/name@" + Sha, "host:5000/name@" + Sha)]
    [InlineData("app:v1@" + Sha, "docker.io/library/app:v1@" + Sha)]
    public void Reads_what_docker_users_write(string text, string whole)
    {
        Assert.True(Reference.TryParse(text, out Reference? reference));
        Assert.Equal(whole, reference.ToString());
        Assert.True(Reference.TryParse(whole, out Reference? again));
        Assert.Equal(reference, again);
    }

    [Theory]
    [InlineData("")]
    [InlineData("App")]
    [InlineData("app:")]
    [InlineData("app:-x")]
    [InlineData("app@sha256:12")]
    [InlineData("a//b")]
    [InlineData("/a")]
    [InlineData("host:port/app")]
    [InlineData("a b")]
    [InlineData("app\n")]
    [InlineData("../x")]
    public void Refuses_invalid_references(string text) => Assert.False(Reference.TryParse(text, out _));

    [Fact]
    public void A_digest_counts_before_a_tag()
    {
        Assert.True(Reference.TryParse("app:v1@" + Sha, out Reference? reference));
        Assert.Equal(Sha, reference.Target);
        Assert.Equal(Digest.Parse(Sha), reference.Digest);
    }

    [Theory]
    [InlineData("localhost:5000/a", true)]
    [InlineData("127.0.0.9:80/a", true)]
    [InlineData("[::1]/a", true)]
    [InlineData("localhost.example/a", false)]
    [InlineData("10.0.0.1:5000/a", false)]
    public void Knows_this_machine(string text, bool local)
    {
        Assert.True(Reference.TryParse(text, out Reference? reference));
        Assert.Equal(local, reference.IsLocal);
    }
}
