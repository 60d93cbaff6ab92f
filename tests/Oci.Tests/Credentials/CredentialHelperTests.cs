using Ipcs.TestKit;
using Ipcs.Oci.Credentials;

namespace Ipcs.Oci.Tests;

/// <summary>Helpers are scripts in a folder that is added to the PATH of this process.</summary>
public sealed class CredentialHelperTests : IDisposable
{
    private static readonly Lock PathGate = new();
    private readonly TempFolder _folder = new();

    public CredentialHelperTests()
    {
        lock (PathGate)
        {
            Environment.SetEnvironmentVariable("PATH", $"{_folder.Path}:{Environment.GetEnvironmentVariable("PATH")}");
        }
    }

    public void Dispose() => _folder.Dispose();

    private Task<Login?> AskAsync(string script, CancellationToken cancellationToken = default)
    {
        string name = "test" + Guid.NewGuid().ToString("N");
        string program = _folder.File("docker-credential-" + name, "#!/bin/sh\n" + script);
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string config = _folder.File("config.json", $$$$"""{"credHelpers":{"host":"{{{{name}}}}"}}""");
        return new CredentialFiles([config], TimeProvider.System).FindAsync("host", "app", cancellationToken);
    }

    [Fact]
    public async Task Answers_with_a_login() => Assert.Equal(
        new Login("me", "get host", null),
        await AskAsync(
            """printf '{"ServerURL":"x","Username":"me","Secret":"%s %s"}' "$1" "$(cat)" """, TestContext.Current.CancellationToken));

    [Fact]
    public async Task Answers_with_a_token() => Assert.Equal(
        new Login("", "", "T"),
        await AskAsync("""cat >/dev/null; echo '{"Username":"<token>","Secret":"T"}' """, TestContext.Current.CancellationToken));

    [Fact]
    public async Task A_helper_without_a_login_returns_none() => Assert.Null(
        await AskAsync("echo credentials not found in native keychain; exit 1", TestContext.Current.CancellationToken));

    [Theory]
    [InlineData("echo the keychain is locked >&2; exit 3", "the keychain is locked")]
    [InlineData("echo nonsense", "not valid JSON")]
    [InlineData("yes | head -c 1000000", "longer than")]
    public async Task A_helper_that_fails_is_an_error(string script, string why) => Assert.Contains(
        why,
        (await Assert.ThrowsAsync<ImageSourceException>(() => AskAsync(script, TestContext.Current.CancellationToken))).Message,
        StringComparison.Ordinal);

    [Fact]
    public async Task Cancellation_ends_the_helper()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => AskAsync("exec sleep 600", stop.Token));
    }
}
