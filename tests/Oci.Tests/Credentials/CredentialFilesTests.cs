using Ipcs.TestKit;
using System.Text;
using Ipcs.Oci.Credentials;

namespace Ipcs.Oci.Tests;

public sealed class CredentialFilesTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static string Auth(string pair) => Convert.ToBase64String(Encoding.UTF8.GetBytes(pair));

    private Task<Login?> FindAsync(string json, string host = "host:5000", string repository = "team/app") =>
        new CredentialFiles([_folder.File("config.json", json)], TimeProvider.System)
            .FindAsync(host, repository, TestContext.Current.CancellationToken);

    [Fact]
    public async Task Reads_a_login() =>
        Assert.Equal(
            new Login("me", "se:cret", null), await FindAsync($$$$"""{"auths":{"host:5000":{"auth":"{{{{Auth("me:se:cret")}}}}"}}}"""));

    [Fact]
    public async Task Docker_Hub_has_a_key_of_its_own() => Assert.Equal(
        "me",
            (await FindAsync(
                $$$$"""{"auths":{"https://index.docker.io/v1/":{"auth":"{{{{Auth("me:x")}}}}"}}}""", "docker.io", "library/alpine"))!.User);

    [Fact]
    public async Task The_longest_path_counts()
    {
        string all = Auth("all:x"), team = Auth("team:x");
        string json = $$$$"""{"auths":{"host:5000":{"auth":"{{{{all}}}}"},"host:5000/team":{"auth":"{{{{team}}}}"} }}""";
        Assert.Equal("team", (await FindAsync(json))!.User);
        Assert.Equal("all", (await FindAsync(json, repository: "other/app"))!.User);
    }

    [Fact]
    public async Task Urls_are_keys_too() => Assert.Equal(
        "me", (await FindAsync($$$$"""{"auths":{"https://host:5000/v1/":{"auth":"{{{{Auth("me:x")}}}}"}}}"""))!.User);

    [Fact]
    public async Task Identity_tokens_are_read() =>
        Assert.Equal(
            "T", (await FindAsync($$$$"""{"auths":{"host:5000":{"auth":"{{{{Auth("me:")}}}}","identitytoken":"T"}}}"""))!.IdentityToken);

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"auths":{"other":{"auth":"bWU6eA=="}}}""")]
    [InlineData("""{"auths":{"host:5000":{}}}""")]
    public async Task An_unreachable_registry_is_an_error(string json) => Assert.Null(await FindAsync(json));

    [Theory]
    [InlineData("{")]
    [InlineData("""{"auths":{"host:5000":{"auth":"no base64"}}}""")]
    [InlineData("""{"credsStore":"../evil"}""")]
    [InlineData("""{"credsStore":"there-is-no-such-helper"}""")]
    public async Task Bad_files_are_errors(string json) => await Assert.ThrowsAsync<ImageSourceException>(() => FindAsync(json));

    [Fact]
    public async Task No_file_is_no_login() => Assert.Null(
        await new CredentialFiles([Path.Combine(_folder.Path, "gone")], TimeProvider.System)
            .FindAsync("host", "app", TestContext.Current.CancellationToken));

    [Fact]
    public async Task The_users_files_are_found()
    {
        var environment = new Dictionary<string, string> { ["HOME"] = _folder.Path, ["DOCKER_CONFIG"] = Path.Combine(_folder.Path, "d") };
        _folder.File("d/config.json", $$$$"""{"auths":{"a":{"auth":"{{{{Auth("docker:x")}}}}"}}}""");
        _folder.File(".config/containers/auth.json", $$$$"""{"auths":{"b":{"auth":"{{{{Auth("podman:x")}}}}"}}}""");
        CredentialFiles files = CredentialFiles.OfUser(environment.GetValueOrDefault, TimeProvider.System);
        Assert.Equal("docker", (await files.FindAsync("a", "x", TestContext.Current.CancellationToken))!.User);
        Assert.Equal("podman", (await files.FindAsync("b", "x", TestContext.Current.CancellationToken))!.User);
    }
}
