using Ipcs.Node.Daemon;

namespace Ipcs.Node.Tests.Daemon;

public sealed class ComponentVersionsTests
{
    [Fact]
    public void Every_part_has_a_version_of_three_numbers() => Assert.All(
        ComponentVersions.Document(), part => Assert.Matches(@"^\d+\.\d+\.\d+$", (string?)part.Value));

    [Theory]
    [InlineData(0x30000130, "3.0.19")]
    [InlineData(0x30500040, "3.5.4")]
    public void The_number_of_openssl_is_a_version(long number, string version) =>
        Assert.Equal(version, ComponentVersions.OpenSsl(number));
}
