using Ipcs.TestKit;
using Ipcs.Oci.Registry;

namespace Ipcs.Oci.Tests.Registry;

public sealed class RegistryHostsTests
{
    [Theory]
    [InlineData("https://mirror.example", "https://mirror.example/v2/")]
    [InlineData("mirror.example:5000/v2", "https://mirror.example:5000/v2/")]
    [InlineData("https://mirror.example/a/", "https://mirror.example/a/v2/")]
    [InlineData("https://mirror.example//other.example/a", "https://mirror.example//other.example/a/v2/")]
    [InlineData("http//mirror.exampl%:5000", "https://http//mirror.exampl%25:5000/v2/")]
    public void A_mirrors_path_lies_under_its_own_host(string address, string root)
    {
        using var folder = new TempFolder();
        folder.File("registry.example/hosts.toml", $"[host.\"{address}\"]\n");
        Assert.True(Reference.TryParse("registry.example/a/b:c", out Reference? reference));
        Endpoint mirror = RegistryHosts.Find(reference!, new RegistryOptions { Time = TimeProvider.System, HostsFolder = folder.Path })[0];
        Assert.Equal(root, mirror.Root.AbsoluteUri);
    }
}
