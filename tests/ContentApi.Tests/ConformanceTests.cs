using System.Diagnostics;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Blockstore.Rocks;

namespace Ipcs.ContentApi.Tests;

/// <summary>Runs containerd's own content test suite (tests/Conformance) against the service over both stores.</summary>
public sealed class ConformanceTests
{
    private const string GoSources = "/usr/share/gocode/src/github.com/containerd/containerd/content/testsuite";

    // Built once: linking it takes longer than running it.
    private static readonly Lazy<Task<(int Code, string Output)>> Built = new(
        () => ExecuteAsync(Path.Combine(Root(), "tests", "Conformance", "build.sh"), [Suite], []));

    private static string Suite => Path.Combine(Root(), "artifacts", "lab", "content-suite.test");

    [Fact]
    public async Task The_suite_passes_over_a_store_in_memory()
    {
        using var store = new MemoryStore();
        await RunAsync(store);
    }

    [Fact]
    public async Task The_suite_passes_over_a_store_on_disk()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("ipcs-conformance-");
        try
        {
            using RocksStore store = RocksStore.Open(folder.FullName);
            await RunAsync(store);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task RunAsync(IStore store)
    {
        Assert.SkipUnless(
            IsThere("go") && Directory.Exists(GoSources), "Go or containerd's sources are not installed: scripts/setup.sh go");
        (int code, string output) = await Built.Value;
        Assert.True(code == 0, output);
        await using ContentHost host = await ContentHost.StartAsync(store);
        (code, output) = await ExecuteAsync(
            Suite,
            ["-test.v", "-test.timeout", "120s", "-test.run", "^(TestDirect|TestMetadata|TestMetadataShared|TestMetadataIsolated)$"],
            [("CONTENT_SOCKET", host.Socket)]);
        Assert.True(code == 0, output);
        foreach (string test in (string[])["TestDirect", "TestMetadata", "TestMetadataShared", "TestMetadataIsolated"])
        {
            Assert.Contains($"--- PASS: {test} ", output, StringComparison.Ordinal);
        }

        Assert.Empty(store.Contents.Enumerate());
        Assert.Empty(store.Ingests.Enumerate());
    }

    private static async Task<(int Code, string Output)> ExecuteAsync(
        string program, string[] arguments, (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        try
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            Task<string> error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            return (process.ExitCode, await output + await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw;
        }
    }

    private static bool IsThere(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));

    private static string Root()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Ipcs.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new DirectoryNotFoundException($"no Ipcs.sln above {AppContext.BaseDirectory}");
    }
}
