using Ipcs.Oci.Containerd;
using Ipcs.TestKit;

namespace Ipcs.Oci.Tests.Containerd;

public sealed class ContainerdSettingsTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n  discard_unpacked_layers = true\n", 1)]
    [InlineData("version = 3\n[plugins.'io.containerd.cri.v1.images']\n  discard_unpacked_layers = true\n", 1)]
    [InlineData("[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n  discard_unpacked_layers = false\n", 0)]
    [InlineData("version = 2\n", 0)]
    [InlineData("", 0)]
    public void Layers_that_containerd_discards_are_a_warning(string toml, int warnings) =>
        Assert.Equal(warnings, WarningsOf(toml).Count(warning => warning.Contains("discard_unpacked_layers", StringComparison.Ordinal)));

    [Theory]
    [InlineData("[plugins.\"io.containerd.metadata.v1.bolt\"]\n  content_sharing_policy = \"isolated\"\n", 1)]
    [InlineData("[plugins.\"io.containerd.metadata.v1.bolt\"]\n  content_sharing_policy = \"shared\"\n", 0)]
    public void Contents_that_each_namespace_pulls_anew_are_a_warning(string toml, int warnings) =>
        Assert.Equal(warnings, WarningsOf(toml).Count(warning => warning.Contains("content_sharing_policy", StringComparison.Ordinal)));

    [Theory]
    [InlineData("version = ")]
    [InlineData("a = \"\\u12")]
    public void A_file_that_is_not_toml_is_a_warning_of_one_line(string toml)
    {
        string warning = Assert.Single(WarningsOf(toml));
        Assert.StartsWith(_folder["config.toml"] + ": ", warning, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', warning);
    }

    [Fact]
    public void A_missing_file_and_a_huge_one_are_warnings()
    {
        Assert.Single(ContainerdSettings.Warnings(_folder["none"]));
        Assert.Contains("longer than", Assert.Single(WarningsOf(new string('#', (1 << 20) + 1))), StringComparison.Ordinal);
    }

    private IReadOnlyList<string> WarningsOf(string toml)
    {
        File.WriteAllText(_folder["config.toml"], toml);
        return ContainerdSettings.Warnings(_folder["config.toml"]);
    }
}
