using System.Diagnostics;

namespace Ipcs.ContentApi.Tests;

/// <summary>containerd's own content test suite, at the socket and through its metadata layer (tests/Conformance drives it).</summary>
public sealed class ConformanceTests
{
    private static readonly string Root = FindRoot();

    [Theory]
    [InlineData("TestDirect")]
    [InlineData("TestMetadata")]
    [InlineData("TestMetadataShared")]
    [InlineData("TestMetadataIsolated")]
    public async Task SuitePasses(string test)
    {
        CancellationToken cancel = TestContext.Current.CancellationToken;
        string suite = Path.Combine(Root, "artifacts", "content_suite.test");
        if (!File.Exists(suite))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(suite)!);
            (int built, string log) = await RunAsync(Path.Combine(Root, "tests/Conformance/build.sh"), [suite], [], cancel);
            Assert.True(built == 0, log);
        }

        await using var server = new ContentServer();
        await server.StartAsync(cancel);
        (int code, string output) = await RunAsync(suite, [$"-test.run=^{test}$", "-test.v"], [("CONTENT_SOCKET", server.Socket)], cancel);
        Assert.True(code == 0, output);
        Assert.Contains($"--- PASS: {test}", output, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output)> RunAsync(string program, string[] args, (string, string)[] environment, CancellationToken cancel)
    {
        var start = new ProcessStartInfo(program, args) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(cancel);
        Task<string> error = process.StandardError.ReadToEndAsync(cancel);
        await process.WaitForExitAsync(cancel);
        return (process.ExitCode, await output + await error);
    }

    private static string FindRoot()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Ipcs.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new DirectoryNotFoundException("Ipcs.sln");
        }

        return folder;
    }
}
